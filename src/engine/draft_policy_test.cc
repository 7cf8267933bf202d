#include "engine/draft_policy.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/rng.h"

namespace fathom::engine {
namespace {

/// A sequence whose steps take a known time, in units of a plain one.
struct World {
  double row = 0.5;         // of another row to verify
  double draft = 0.2;       // of a draft
  double acceptance = 0.5;  // of each draft, the ones before it kept
  double noise = 0;         // share of steps that something else makes six times as long
  double jitter = 0;        // of every step, up and down
};

/// Seconds that a policy's choices take for a token in `world`, without the noise: 1 is what plain
/// decoding takes.
double cost(const World& world, DraftPolicy& policy, int64_t rounds, uint64_t seed) {
  Rng rng(seed);
  double spent = 0, tokens = 0;
  int proposed = 0;
  for (int64_t i = 0; i < rounds; ++i) {
    const int drafts = proposed;
    int kept = 0;
    for (int depth = 0; depth < drafts; ++depth) {
      const bool keep = rng.uniform() < world.acceptance;
      policy.observe_draft(depth, keep);
      if (!keep) break;
      ++kept;
    }
    proposed = policy.choose(1);
    const auto measured = [&](double true_seconds) {
      spent += true_seconds;
      const double slow = rng.uniform() < world.noise ? 6 : 1;
      return true_seconds * slow * (1 + world.jitter * (2 * rng.uniform() - 1));
    };
    const double verify = measured(1 + world.row * drafts);
    policy.observe({.sequences = 1,
                    .drafting = 1,
                    .drafts = drafts,
                    .proposed = proposed,
                    .verify_seconds = verify,
                    .draft_seconds = proposed > 0 ? measured(world.draft * proposed) : 0,
                    .new_tokens = 1 + kept});
    tokens += 1 + kept;
  }
  return spent / tokens;
}

TEST(DraftPolicy, CostsNextToNothingWhereDraftsLose) {
  for (double noise : {0.0, 0.02, 0.05}) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
      DraftPolicy policy(3);
      const World world{.acceptance = 0.4, .noise = noise, .jitter = 0.1};
      EXPECT_LT(cost(world, policy, 4000, seed), 1.03) << "noise " << noise << ", seed " << seed;
    }
  }
}

TEST(DraftPolicy, TakesWhatDraftsGive) {
  for (double noise : {0.0, 0.05}) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
      DraftPolicy policy(3);
      const World world{
          .row = 0.1, .draft = 0.1, .acceptance = 0.85, .noise = noise, .jitter = 0.1};
      // Three drafts: 1.6 for 1 + 0.85 + 0.72 + 0.61 tokens.
      EXPECT_LT(cost(world, policy, 4000, seed), 0.56) << "noise " << noise << ", seed " << seed;
    }
  }
}

TEST(DraftPolicy, NoticesAnotherKindOfText) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    DraftPolicy policy(3);
    cost({.row = 0.3, .acceptance = 0.9, .noise = 0.02, .jitter = 0.1}, policy, 4000, seed);
    const World worse{.row = 0.3, .acceptance = 0.3, .noise = 0.02, .jitter = 0.1};
    EXPECT_LT(cost(worse, policy, 4000, seed), 1.03) << seed;
  }
}

}  // namespace
}  // namespace fathom::engine
