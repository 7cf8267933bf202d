// Random schedules on the fake model and a virtual clock: whatever happens around a request, its
// answer is the one it has alone.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <optional>

#include "cache/cache_fixture.h"
#include "engine/local_engine.h"
#include "engine/testing/schedules.h"

namespace fathom::engine {
namespace {

constexpr int64_t kVocab = 96;
constexpr int64_t kMaxPrompt = 400;
constexpr int64_t kMaxAnswer = 60;

void check_answer(FakeModel& model, const Running& request) {
  const auto expected = expected_ids(model, request.recipe);
  const auto ids = request.sink->ids();
  ASSERT_EQ(request.sink->finishes, 1);
  const RequestResult& result = request.sink->result;
  const Usage& usage = result.usage;
  EXPECT_EQ(usage.cache_hit_tokens % kPageTokens, 0);
  EXPECT_EQ(usage.cache_hit_tokens + usage.cache_miss_tokens, usage.prompt_tokens);
  EXPECT_LT(usage.cache_hit_tokens, usage.prompt_tokens);
  EXPECT_LE(usage.accepted_tokens, usage.draft_tokens);
  if (result.reason == FinishReason::kCancelled || result.reason == FinishReason::kDeadline) {
    ASSERT_LE(ids.size(), expected.size());
    EXPECT_TRUE(std::equal(ids.begin(), ids.end(), expected.begin()));
    return;
  }
  EXPECT_EQ(ids, expected) << result.error;
  EXPECT_TRUE(result.reason == FinishReason::kStop || result.reason == FinishReason::kLength);
}

struct ScheduleTotals {
  int64_t hits = 0, kept = 0, cancelled = 0, late = 0, paused = 0, from_disk = 0;
};

void run_schedule(uint64_t seed, ScheduleTotals& totals) {
  SCOPED_TRACE("schedule " + std::to_string(seed));
  Rng rng(seed);
  VirtualClock clock;
  const double acceptances[] = {0, 0.5, 0.9, 1};
  FakeModel model({.vocab_size = kVocab,
                   .context = 600,
                   .mtp = rng.below(5) != 0,
                   .acceptance = acceptances[rng.below(4)],
                   .clock = &clock,
                   .row_seconds = rng.below(2) ? 0.0005 : 0.02});
  LocalEngineOptions options;
  const int64_t most = (kMaxPrompt + kMaxAnswer) / kPageTokens + 2;
  options.kv_bytes = model.page_bytes() * (most + rng.below(rng.below(2) ? 8 : 200));
  options.max_running = static_cast<int64_t>(1 + rng.below(rng.below(2) ? 4 : 64));
  options.step.max_prefill_tokens = static_cast<int64_t>(1 + rng.below(rng.below(2) ? 20 : 300));
  options.speculation = rng.below(4) != 0;
  options.max_drafts = static_cast<int>(1 + rng.below(4));
  options.cache.enabled = rng.below(4) != 0;
  options.cache.background = false;
  options.own_thread = false;
  options.clock = &clock;
  std::optional<cache::ScratchDirectory> directory;
  const bool disk = seed % 16 == 0;
  if (disk) {
    options.cache.enabled = true;
    options.cache.directory = directory.emplace().path();
  }
  std::vector<Running> all;
  for (int life = 0; life < (disk ? 2 : 1); ++life) {
    std::vector<Running> requests;
    const auto count = 1 + rng.below(rng.below(4) == 0 ? 64 : 8);
    for (uint64_t i = 0; i < count; ++i) {
      Running request{random_recipe(rng, kVocab, kMaxPrompt, kMaxAnswer),
                      std::make_shared<RecordingSink>(), 0};
      request.sink->enough = request.recipe.enough;
      if (rng.below(20) == 0) {
        request.recipe.request.deadline = clock.now() + std::chrono::milliseconds(rng.below(2000));
      }
      requests.push_back(std::move(request));
    }
    LocalEngine engine(model, options);
    live(engine, kVocab, clock, rng, requests);
    if (testing::Test::HasFatalFailure()) return;
    EXPECT_EQ(engine.stats().kv_cache_usage, 0) << "pages leaked";
    EXPECT_EQ(engine.stats().running + engine.stats().waiting, 0);
    totals.kept += engine.stats().accepted_tokens;
    totals.paused += engine.stats().pauses;
    for (Running& request : requests) {
      if (life > 0) totals.from_disk += request.sink->result.usage.cache_hit_tokens;
      all.push_back(std::move(request));
    }
  }
  for (const Running& request : all) {
    check_answer(model, request);
    const RequestResult& result = request.sink->result;
    totals.hits += result.usage.cache_hit_tokens;
    totals.cancelled += result.reason == FinishReason::kCancelled;
    totals.late += result.reason == FinishReason::kDeadline;
  }
}

TEST(Schedules, EachRequestAnswersAsItDoesAlone) {
  const char* long_tests = std::getenv("FATHOM_LONG_TESTS");
  const uint64_t schedules = long_tests != nullptr ? 20'000 : 2'000;
  if (std::filesystem::exists("/dev/shm")) setenv("TMPDIR", "/dev/shm", 0);
  ScheduleTotals totals;
  for (uint64_t seed = 0; seed < schedules; ++seed) {
    run_schedule(seed, totals);
    if (testing::Test::HasFailure()) break;
  }
  std::printf(
      "%lu schedules: %ld cached tokens, %ld after a restart, %ld drafts kept, %ld pauses, "
      "%ld cancelled, %ld late\n",
      schedules, totals.hits, totals.from_disk, totals.kept, totals.paused, totals.cancelled,
      totals.late);
  EXPECT_TRUE(totals.hits > 0 && totals.from_disk > 0 && totals.kept > 0 && totals.paused > 0 &&
              totals.cancelled > 0 && totals.late > 0);
}

}  // namespace
}  // namespace fathom::engine
