#include "engine/step_budget.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace fathom::engine {
namespace {

// A step that decodes takes 1, a token of a prompt 0.05 more.
double step_with(int64_t prefill_tokens) { return 1 + 0.05 * double(prefill_tokens); }

/// The longest of `steps` steps in which a prompt comes in beside four streams.
double worst_step(StepBudget& budget, int steps) {
  double worst = 0;
  for (int i = 0; i < steps; ++i) {
    const int64_t chunk = budget.prefill_tokens(4);
    worst = std::max(worst, step_with(chunk));
    budget.observe(4, chunk, step_with(chunk));
  }
  return worst;
}

TEST(StepBudget, ComesToTheSlowdownThatIsAllowed) {
  StepBudget budget({.max_slowdown = 2});
  for (int i = 0; i < 64; ++i) budget.observe(4, 0, 1);
  EXPECT_LT(worst_step(budget, 160), 2.1);
  EXPECT_EQ(budget.prefill_tokens(4), 20);
}

TEST(StepBudget, AStepThatSomethingElseHeldUpIsNoMeasure) {
  StepBudget budget({.max_slowdown = 2});
  for (int i = 0; i < 64; ++i) budget.observe(4, 0, i == 62 ? 6 : 1);
  EXPECT_LT(worst_step(budget, 200), 2.1);
}

TEST(StepBudget, FollowsAPromptWhoseTokensBecomeDearer) {
  StepBudget budget({.max_slowdown = 2});
  for (int i = 0; i < 64; ++i) budget.observe(4, 0, 1);
  double worst = 0;
  for (int i = 0; i < 2000; ++i) {
    const int64_t chunk = budget.prefill_tokens(4);
    const double seconds = 1 + 0.05 * (1 + i / 500.0) * double(chunk);
    worst = std::max(worst, seconds);
    budget.observe(4, chunk, seconds);
  }
  EXPECT_LT(worst, 2.25);  // a token too many at the most
  EXPECT_GE(budget.prefill_tokens(4), 3);
}

/// 4,000 steps of four streams that come to take `grown` times as long, beside a prompt.
struct Growth {
  double worst = 0;  // step, where they took 1 before the prompt
  double last = 0;   // step
  int64_t taken = 0, alone_steps = 0;
};
Growth beside_growing_streams(StepBudget& budget, double grown) {
  Growth result;
  for (int i = 0; i < 4000; ++i) {
    const int64_t chunk = budget.prefill_tokens(4);
    const double seconds = 1 + (grown - 1) * i / 4000.0 + 0.05 * double(chunk);
    result.worst = std::max(result.worst, seconds);
    if (chunk > 0) result.last = seconds;
    budget.observe(4, chunk, seconds);
    result.taken += chunk;
    result.alone_steps += chunk == 0;
  }
  return result;
}

// Beside a prompt of 16,384 tokens, streams grow by thousands of tokens themselves.
TEST(StepBudget, HoldsStreamsThatGrowToTheirPaceBefore) {
  StepBudget budget({.max_slowdown = 2});
  for (int i = 0; i < 64; ++i) budget.observe(4, 0, 1);
  const Growth growth = beside_growing_streams(budget, 1.3);
  EXPECT_LT(growth.worst, 2.15);
  EXPECT_GT(growth.taken, 4000 * 15);  // 17 a step on the average, were it all known at once
  EXPECT_LT(growth.alone_steps, 4000 / 30);
}

TEST(StepBudget, APromptGoesOnBesideStreamsThatGrewFarSlower) {
  StepBudget budget({.max_slowdown = 2});
  for (int i = 0; i < 64; ++i) budget.observe(4, 0, 1);
  const Growth growth = beside_growing_streams(budget, 3);
  EXPECT_GT(growth.last, 3 * 1.1);
  EXPECT_LT(growth.last, 3 * 1.35);
}

TEST(StepBudget, ThePaceBeforeIsThatOfTheLatestCalm) {
  StepBudget budget({.max_slowdown = 2});
  for (int i = 0; i < 64; ++i) budget.observe(4, 0, 1);
  beside_growing_streams(budget, 1.5);
  for (int i = 0; i < 64; ++i) budget.observe(4, 0, 1.5);
  for (int i = 0; i < 200; ++i) {
    const int64_t chunk = budget.prefill_tokens(4);
    budget.observe(4, chunk, 1.5 + 0.05 * double(chunk));
  }
  EXPECT_GE(budget.prefill_tokens(4), 29);  // (2 - 1) * 1.5 / 0.05
}

TEST(StepBudget, WithoutStreamsAStepLastsNoLongerThanACancelMayWait) {
  StepBudget budget({.max_prefill_tokens = 512, .max_seconds = 1});
  EXPECT_EQ(budget.prefill_tokens(0), 512);
  budget.observe(0, 512, 5.12);
  EXPECT_EQ(budget.prefill_tokens(0), 100);
}

}  // namespace
}  // namespace fathom::engine
