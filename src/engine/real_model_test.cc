// The promises on the real kernels: schedules do not change answers.
#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>

#include "cache/cache_fixture.h"
#include "engine/testing/schedules.h"
#include "model/transformer.h"

namespace fathom::engine {
namespace {

std::vector<int32_t> alone(Transformer& model, const RequestRecipe& recipe) {
  LocalEngineOptions options;
  options.kv_bytes = 16 * model.page_bytes();
  options.speculation = false;
  options.cache.enabled = false;
  options.own_thread = false;
  LocalEngine engine(model, options);
  const auto sink = std::make_shared<RecordingSink>();
  sink->enough = recipe.enough;
  engine.submit(recipe.make(model.config().vocab_size), sink);
  while (sink->finishes == 0) engine.step();
  return sink->ids();
}

Transformer open(const TransformerOptions& options) {
  return Transformer(
      ModelWeights::load(Checkpoint::open(FATHOM_SOURCE_DIR "/tests/golden/model/v3-tiny-fp8")),
      options);
}

// Alone with all logits computed, together with those alone that draws may choose.
TEST(RealModel, EachRequestAnswersAsItDoesAlone) {
  const int schedules = std::getenv("FATHOM_LONG_TESTS") != nullptr ? 300 : 12;
  Transformer plain = open({});
  Transformer model = open({.move_weights = true, .outlined_weights = 1});
  model.await_weights();
  const int64_t vocab = model.config().vocab_size;
  int64_t hits = 0, drafts = 0, pauses = 0;
  for (int seed = 0; seed < schedules; ++seed) {
    SCOPED_TRACE(seed);
    Rng rng(seed);
    VirtualClock clock(/*restless=*/true);  // draft lengths seem better and worse at random
    LocalEngineOptions options;
    options.kv_bytes = model.page_bytes() * (6 + rng.below(5));
    options.max_running = static_cast<int64_t>(1 + rng.below(12));
    options.step.max_prefill_tokens = static_cast<int64_t>(1 + rng.below(150));
    options.max_drafts = static_cast<int>(rng.below(4));
    options.own_thread = false;
    options.cache.background = false;
    cache::ScratchDirectory directory;
    if (seed % 3 == 0) options.cache.directory = directory.path();
    for (int life = 0; life < (seed % 3 == 0 ? 2 : 1); ++life) {
      std::vector<Running> requests;
      for (uint64_t i = 0; i < 6 + rng.below(6); ++i) {
        Running request{random_recipe(rng, vocab, 200, 150), std::make_shared<RecordingSink>(), 0};
        request.sink->enough = request.recipe.enough;
        requests.push_back(std::move(request));
      }
      LocalEngine engine(model, options);
      live(engine, vocab, clock, rng, requests);
      drafts += engine.stats().draft_tokens;
      pauses += engine.stats().pauses;
      for (const Running& request : requests) {
        const auto expected = alone(plain, request.recipe);
        const auto ids = request.sink->ids();
        hits += request.sink->result.usage.cache_hit_tokens;
        ASSERT_LE(ids.size(), expected.size());
        if (request.sink->result.reason == FinishReason::kCancelled) {
          EXPECT_TRUE(std::equal(ids.begin(), ids.end(), expected.begin()));
        } else {
          EXPECT_EQ(ids, expected);
        }
      }
    }
  }
  std::printf("%d schedules: %ld cached tokens, %ld drafts, %ld pauses\n", schedules, hits, drafts,
              pauses);
  EXPECT_TRUE(hits > 0 && drafts > 0 && pauses > 0);
}

}  // namespace
}  // namespace fathom::engine
