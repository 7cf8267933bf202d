#include "engine/local_engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <thread>

#include "cache/cache_fixture.h"
#include "engine/testing/requests.h"

namespace fathom::engine {
namespace {

constexpr int64_t kVocab = 96;

/// Never the highest id, which is poison where a test says so.
SamplingParams greedy() {
  return {.temperature = 0, .logit_bias = {{kVocab - 1, -100.0f}}, .seed = 0};
}

/// An engine on the fake model and a virtual clock, driven by the test.
struct Bench {
  explicit Bench(FakeModelOptions model_options = {}, LocalEngineOptions options = {}) {
    model_options.clock = &clock;
    model.emplace(model_options);
    options.clock = &clock;
    options.own_thread = false;
    options.cache.background = false;
    if (options.kv_bytes == LocalEngineOptions{}.kv_bytes) options.kv_bytes = 1 << 20;
    engine.emplace(*model, options);
  }

  std::shared_ptr<RecordingSink> submit(std::vector<int32_t> prompt, int64_t max_tokens,
                                        std::string user = "") {
    auto sink = std::make_shared<RecordingSink>();
    last = engine->submit({.prompt = std::move(prompt),
                           .max_tokens = max_tokens,
                           .sampling = greedy(),
                           .user = std::move(user)},
                          sink);
    return sink;
  }

  void finish() {
    for (int steps = 0; engine->stats().running + engine->stats().waiting > 0; ++steps) {
      ASSERT_LT(steps, 100'000);
      engine->step();
    }
  }

  VirtualClock clock;
  std::optional<FakeModel> model;
  std::optional<LocalEngine> engine;
  RequestId last = 0;
};

std::vector<int32_t> ids(uint64_t seed, int64_t count) {
  Rng rng(seed);
  return cache::random_ids(rng, count, kVocab - 2);  // the highest two are poison where a test says
}

ErrorKind refusal(Bench& bench, Request request) {
  try {
    bench.engine->submit(std::move(request), std::make_shared<RecordingSink>());
  } catch (const Error& error) {
    return error.kind();
  }
  ADD_FAILURE() << "was not refused";
  return ErrorKind::kIo;
}

TEST(LocalEngine, RefusesWhatCannotBeAnswered) {
  Bench bench({.context = 500}, {.kv_bytes = 5 * 1024, .max_waiting = 2});
  EXPECT_EQ(refusal(bench, {.prompt = {}}), ErrorKind::kBadInput);
  EXPECT_EQ(refusal(bench, {.prompt = {kVocab}}), ErrorKind::kBadInput);
  EXPECT_EQ(refusal(bench, {.prompt = {-1}}), ErrorKind::kBadInput);
  EXPECT_EQ(refusal(bench, {.prompt = ids(1, 500)}), ErrorKind::kBadInput);
  EXPECT_EQ(refusal(bench, {.prompt = {1}, .max_tokens = 0}), ErrorKind::kBadInput);
  EXPECT_EQ(refusal(bench, {.prompt = {1}, .sampling = {.temperature = -1}}), ErrorKind::kBadInput);
  EXPECT_EQ(refusal(bench, {.prompt = {1}, .sampling = {.top_logprobs = 21}}),
            ErrorKind::kBadInput);
  EXPECT_EQ(refusal(bench, {.prompt = {1}, .sampling = {.logit_bias = {{kVocab, 1.0f}}}}),
            ErrorKind::kBadInput);
  EXPECT_EQ(refusal(bench, {.prompt = ids(1, 100), .max_tokens = 300}), ErrorKind::kResource);
  bench.submit({1}, 5);
  bench.submit({1}, 5);
  EXPECT_EQ(refusal(bench, {.prompt = {1}, .max_tokens = 5}), ErrorKind::kResource);
  bench.finish();
  bench.submit({1}, 5);
  bench.finish();
}

TEST(LocalEngine, EndsAtTheContextsEnd) {
  Bench bench({.context = 130});
  const auto sink = bench.submit(ids(1, 120), 4096);
  bench.finish();
  EXPECT_EQ(sink->tokens.size(), 10u);
  EXPECT_EQ(sink->result.reason, FinishReason::kLength);
}

TEST(LocalEngine, SaysWhenItHasCalledTheSinks) {
  Bench bench;
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  const auto calls = [&] {
    size_t count = 0;
    for (const auto& sink : sinks) count += sink->tokens.size() + sink->finishes;
    return count;
  };
  size_t known = 0;
  int64_t rounds = 0;
  bench.engine->after_rounds([&] {
    EXPECT_GT(calls(), known);
    known = calls();
    ++rounds;
  });
  for (int i = 1; i <= 4; ++i) sinks.push_back(bench.submit(ids(i, 20), 8 * i));
  bench.finish();
  EXPECT_EQ(known, calls());
  EXPECT_LE(rounds, bench.engine->stats().steps + 4);
}

TEST(LocalEngine, OneBadRequestDoesNotHurtTheOthers) {
  Bench bench({.poison = kVocab - 1, .draft_poison = kVocab - 2});
  std::vector<int32_t> poisoned = ids(1, 100);
  poisoned[70] = kVocab - 1;
  const auto good = bench.submit(ids(2, 100), 20);
  const auto bad = bench.submit(poisoned, 20);
  std::vector<int32_t> no_drafts = ids(3, 50);
  no_drafts[10] = kVocab - 2;
  const auto other = bench.submit(no_drafts, 20);
  bench.finish();
  EXPECT_EQ(bad->result.reason, FinishReason::kError);
  EXPECT_EQ(bad->result.error, "poisoned");
  EXPECT_TRUE(bad->tokens.empty());
  for (const auto& [sink, prompt] : {std::pair(good, ids(2, 100)), std::pair(other, no_drafts)}) {
    const RequestRecipe recipe{
        .request = {.prompt = prompt, .max_tokens = 20, .sampling = greedy()}};
    EXPECT_EQ(sink->ids(), expected_ids(*bench.model, recipe));
  }
}

TEST(LocalEngine, APassThatFailsOnceHurtsNobody) {
  Bench bench({.failing_advance = 3});
  const auto one = bench.submit(ids(1, 100), 20), other = bench.submit(ids(2, 50), 20);
  const auto tokens = [&] { return one->tokens.size() + other->tokens.size(); };
  size_t told = 0;
  bench.engine->after_rounds([&] { told = tokens(); });
  while (bench.engine->step()) EXPECT_EQ(told, tokens()) << "tokens that no round told of";
  for (const auto& [sink, prompt] : {std::pair(one, ids(1, 100)), std::pair(other, ids(2, 50))}) {
    const RequestRecipe recipe{
        .request = {.prompt = prompt, .max_tokens = 20, .sampling = greedy()}};
    EXPECT_EQ(sink->ids(), expected_ids(*bench.model, recipe));
  }
}

TEST(LocalEngine, ASinkOrConstraintThatThrowsEndsItsRequestOnly) {
  struct ThrowingSink : RecordingSink {
    bool on_token(const GeneratedToken&) override { throw std::runtime_error("gone"); }
  };
  struct NothingAllowed : Constraint {
    std::unique_ptr<Constraint> clone() const override {
      return std::make_unique<NothingAllowed>();
    }
    void fill_mask(std::span<uint64_t> words) override { std::ranges::fill(words, 0); }
    void advance(int32_t) override {}
  };
  Bench bench;
  const auto good = bench.submit({1, 2, 3}, 10);
  const auto throwing = std::make_shared<ThrowingSink>();
  bench.engine->submit({.prompt = {1}, .max_tokens = 5}, throwing);
  const auto stuck = std::make_shared<RecordingSink>();
  bench.engine->submit(
      {.prompt = {1}, .max_tokens = 5, .constraint = std::make_unique<NothingAllowed>()}, stuck);
  bench.finish();
  EXPECT_EQ(throwing->result.reason, FinishReason::kError);
  EXPECT_EQ(throwing->result.error, "gone");
  EXPECT_EQ(stuck->result.reason, FinishReason::kError);
  EXPECT_EQ(good->tokens.size(), 10u);
}

TEST(LocalEngine, DeadlinesAndCancelsEndRequestsWaitingOrRunning) {
  Bench bench({}, {.max_running = 1});
  const auto running = bench.submit(ids(1, 10), 1000);
  const RequestId first = bench.last;
  const auto late = std::make_shared<RecordingSink>();
  bench.engine->submit(
      {.prompt = {1}, .deadline = bench.clock.now() + std::chrono::milliseconds(50)}, late);
  const auto waiting = bench.submit({2}, 10);
  const RequestId third = bench.last;
  for (int i = 0; i < 20; ++i) bench.engine->step();
  EXPECT_EQ(late->result.reason, FinishReason::kDeadline);
  bench.engine->cancel(third);
  bench.engine->step();
  EXPECT_EQ(waiting->result.reason, FinishReason::kCancelled);
  EXPECT_EQ(running->finishes, 0);
  bench.engine->cancel(first);
  bench.engine->cancel(first);
  bench.engine->cancel(999);
  bench.engine->step();
  EXPECT_EQ(running->result.reason, FinishReason::kCancelled);
  EXPECT_EQ(running->finishes, 1);
}

TEST(LocalEngine, ASecondRequestReusesPromptAndAnswer) {
  Bench bench;
  const auto first = bench.submit(ids(1, 100), 100);
  bench.finish();
  EXPECT_EQ(first->result.usage.cache_hit_tokens, 0);
  std::vector<int32_t> prompt = ids(1, 100);
  for (int32_t id : first->ids()) prompt.push_back(id);
  prompt.push_back(3);
  const auto second = bench.submit(prompt, 5);
  bench.finish();
  EXPECT_EQ(second->result.usage.cache_hit_tokens, 192);  // of 201: three pages
  EXPECT_EQ(second->result.usage.cache_miss_tokens, 9);
}

TEST(LocalEngine, NothingIsComputedTwiceWhileItIsBeingComputed) {
  Bench bench({}, {.step = {.max_prefill_tokens = 50}, .speculation = false});
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  for (int i = 0; i < 8; ++i) sinks.push_back(bench.submit(ids(1, 300), 5));
  bench.finish();
  int64_t missed = 0;
  for (const auto& sink : sinks) missed += sink->result.usage.cache_miss_tokens;
  EXPECT_EQ(missed, 300 + 7 * (300 - 256));
}

TEST(LocalEngine, PausedSequencesComeBackFromDisk) {
  cache::ScratchDirectory directory;
  Bench bench({}, {.kv_bytes = 16 * 1024, .cache = {.directory = directory.path()}});
  std::vector<std::shared_ptr<RecordingSink>> sinks;
  for (int i = 0; i < 4; ++i) sinks.push_back(bench.submit(ids(i, 200), 400));
  bench.finish();
  EXPECT_GT(bench.engine->stats().pauses, 0);
  for (int i = 0; i < 4; ++i) {
    const RequestRecipe recipe{
        .request = {.prompt = ids(i, 200), .max_tokens = 400, .sampling = greedy()}};
    EXPECT_EQ(sinks[i]->ids(), expected_ids(*bench.model, recipe));
  }
}

TEST(LocalEngine, APromptDoesNotStallStreams) {
  Bench bench({.context = 20'000, .pass_seconds = 0.030, .row_seconds = 0.005},
              {.kv_bytes = 1 << 22});
  struct TimingSink : RecordingSink {
    explicit TimingSink(VirtualClock& c) : clock(c) {}
    bool on_token(const GeneratedToken& token) override {
      times.push_back(seconds_between({}, clock.now()));
      return RecordingSink::on_token(token);
    }
    VirtualClock& clock;
    std::vector<double> times;
  };
  std::vector<std::shared_ptr<TimingSink>> streams;
  for (int i = 0; i < 4; ++i) {
    streams.push_back(std::make_shared<TimingSink>(bench.clock));
    bench.engine->submit({.prompt = ids(i, 20), .max_tokens = 6000, .speculate = false},
                         streams.back());
  }
  for (int i = 0; i < 200; ++i) bench.engine->step();
  const size_t before = streams[0]->times.size();
  const auto prompt = bench.submit(ids(9, 16'000), 1);
  for (int steps = 0; prompt->finishes == 0; ++steps) {
    ASSERT_LT(steps, 6000);
    bench.engine->step();
  }
  for (const auto& stream : streams) {
    std::vector<double> gaps;
    for (size_t i = 1; i < stream->times.size(); ++i) {
      gaps.push_back(stream->times[i] - stream->times[i - 1]);
    }
    std::vector<double> calm(gaps.begin() + 100, gaps.begin() + static_cast<int64_t>(before) - 1);
    std::ranges::nth_element(calm, calm.begin() + std::ssize(calm) / 2);
    EXPECT_LT(*std::max_element(gaps.begin() + 100, gaps.end()), 3 * calm[calm.size() / 2]);
  }
  for (const auto& stream : streams) stream->enough = 0;
  bench.finish();
}

TEST(LocalEngine, UsersShareTheEngineEvenly) {
  Bench bench({}, {.max_running = 4, .speculation = false});
  std::vector<std::shared_ptr<RecordingSink>> flood;
  for (int i = 0; i < 40; ++i) flood.push_back(bench.submit(ids(i, 30), 200, "greedy"));
  for (int i = 0; i < 20; ++i) bench.engine->step();
  const auto modest = bench.submit(ids(99, 30), 20, "modest");
  for (int i = 0; i < 40 && modest->finishes == 0; ++i) bench.engine->step();
  EXPECT_EQ(modest->result.reason, FinishReason::kLength) << "a newcomer waited for a flood";
  bench.finish();
  for (const auto& sink : flood) EXPECT_EQ(sink->tokens.size(), 200u);
}

TEST(LocalEngine, SpeculationPaysWhereDraftsAreKeptAndCostsNextToNothingWhereNot) {
  const auto seconds = [](double acceptance, bool speculation) {
    Bench bench({.acceptance = acceptance, .pass_seconds = 0.030, .row_seconds = 0.010},
                {.speculation = speculation});
    const engine::Time start = bench.clock.now();
    const auto sink = bench.submit(ids(1, 64), 2000);
    bench.finish();
    EXPECT_EQ(sink->tokens.size(), 2000u);
    return seconds_between(start, bench.clock.now());
  };
  EXPECT_LT(seconds(0.95, true), 0.75 * seconds(0.95, false));
  EXPECT_LT(seconds(0.0, true), 1.03 * seconds(0.0, false));
  EXPECT_LT(seconds(0.2, true), 1.03 * seconds(0.2, false));
}

// In a small model the MTP layer is a good part of the work, drafts or not.
TEST(LocalEngine, KeepingUpWithTheAnswerStopsWhereDraftsLose) {
  const auto seconds = [](bool speculation) {
    Bench bench(
        {.acceptance = 0, .pass_seconds = 0.030, .row_seconds = 0.010, .draft_seconds = 0.2},
        {.speculation = speculation});
    const engine::Time start = bench.clock.now();
    const auto sink = bench.submit(ids(1, 64), 2000);
    bench.finish();
    EXPECT_EQ(sink->tokens.size(), 2000u);
    return seconds_between(start, bench.clock.now());
  };
  EXPECT_LT(seconds(true), 1.03 * seconds(false));
}

TEST(LocalEngine, DraftsSeeTheWholePromptAndAllThatWasGenerated) {
  Bench bench({.acceptance = 0.7}, {.cache = {.enabled = false}});
  for (int i = 0; i < 5; ++i) bench.submit(ids(i, 150), 300);
  bench.finish();
  EXPECT_GT(bench.engine->stats().accepted_tokens, 100);
  EXPECT_EQ(bench.model->holes(), 0);
}

// Requests from several threads with random cancels, on the engine's own thread.
TEST(LocalEngine, SurvivesThreadsAndCancels) {
  const int per_thread = std::getenv("FATHOM_LONG_TESTS") != nullptr ? 5000 : 250;
  struct CountingSink : TokenSink {
    bool on_token(const GeneratedToken&) override { return ++tokens < 1'000'000; }
    void on_finish(const RequestResult&) override { finished->fetch_add(1); }
    std::atomic<int64_t> tokens = 0;
    std::shared_ptr<std::atomic<int64_t>> finished;
  };
  FakeModel model({});
  cache::ScratchDirectory directory;
  const auto finished = std::make_shared<std::atomic<int64_t>>(0);
  std::atomic<int64_t> submitted = 0;
  {
    LocalEngine engine(
        model, {.kv_bytes = 200 * 1024,
                .max_running = 16,
                .max_waiting = 64,
                .cache = {.directory = directory.path(), .disk = {.budget_bytes = 1 << 20}}});
    std::vector<std::thread> clients;
    for (int t = 0; t < 4; ++t) {
      clients.emplace_back([&, t] {
        Rng rng(t);
        std::vector<RequestId> open;
        for (int i = 0; i < per_thread;) {
          auto sink = std::make_shared<CountingSink>();
          sink->finished = finished;
          try {
            open.push_back(engine.submit(random_recipe(rng, kVocab, 200, 40).make(kVocab), sink));
            ++submitted;
            ++i;
          } catch (const Error& error) {
            ASSERT_EQ(error.kind(), ErrorKind::kResource);
            std::this_thread::yield();
          }
          if (!open.empty() && rng.below(3) == 0) engine.cancel(open[rng.below(open.size())]);
          if (rng.below(50) == 0) engine.stats();
        }
      });
    }
    for (std::thread& client : clients) client.join();
    for (int waited = 0; finished->load() < submitted.load(); ++waited) {
      ASSERT_LT(waited, 60'000);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    for (int waited = 0; engine.stats().running + engine.stats().waiting > 0; ++waited) {
      ASSERT_LT(waited, 1000);
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    engine.context_cache().flush();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    EXPECT_EQ(finished->load(), submitted.load());
  }
  EXPECT_EQ(finished->load(), submitted.load());
}

TEST(LocalEngine, EndsWhatIsLeftWhenItGoes) {
  FakeModel model({});
  const auto sink = std::make_shared<RecordingSink>();
  {
    LocalEngine engine(model, {.kv_bytes = 1 << 20});
    engine.submit({.prompt = {1, 2}, .max_tokens = 4000}, sink);
    engine.submit({.prompt = {1, 2}, .max_tokens = 4000}, sink);
  }
  EXPECT_EQ(sink->finishes, 2);
}

}  // namespace
}  // namespace fathom::engine
