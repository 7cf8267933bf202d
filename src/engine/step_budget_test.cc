#include "engine/step_budget.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace fathom::engine {
namespace {

constexpr int kLayers = 12;

/// Four streams whose own part of a step takes 1, and prompts a layer of which takes a part of that
/// and more with each token.
struct Machine {
  StepBudget budget;
  double streams = 1;
  double token = 0.02;
  double worst = 0;  // step
  int64_t taken = 0;

  void calm(int steps, double held_up = 1) {
    for (int i = 0; i < steps; ++i) {
      budget.observe_step(4, false, i == steps - 2 ? held_up * streams : streams);
    }
  }
  double layer(int64_t tokens) const { return 0.04 + token * double(tokens); }
  double left_for_prompts() const { return budget.step_seconds(4) - streams; }
  /// A prompt's pass, from its begin to its end.
  void pass() {
    const int64_t tokens = budget.prefill_tokens(4);
    for (int left = kLayers; left > 0;) {
      budget.observe_step(4, true, streams);
      const auto fit = static_cast<int>(left_for_prompts() / layer(tokens));
      const int layers = std::clamp(fit, 1, left);
      worst = std::max(worst, streams + layers * layer(tokens));
      left -= layers;
    }
    taken += tokens;
    budget.observe_pass(4, tokens, layer(tokens), kLayers * layer(tokens));
  }
  void passes(int count) {
    for (int i = 0; i < count; ++i) pass();
  }
};

Machine machine(double max_slowdown) { return {StepBudget({.max_slowdown = max_slowdown})}; }

TEST(StepBudget, ComesToTheLayerThatAStepHasRoomFor) {
  Machine m = machine(2);
  m.calm(64);
  EXPECT_EQ(m.budget.step_seconds(4), 2);
  m.passes(20);
  EXPECT_LT(m.worst, 2.05);
  EXPECT_NEAR(m.budget.prefill_tokens(4), 40, 1);  // 0.04 + 0.02 * 40 = 0.84
}

TEST(StepBudget, AStepThatSomethingElseHeldUpIsNoMeasure) {
  Machine m = machine(2);
  m.calm(64, 6);
  m.passes(20);
  EXPECT_LT(m.worst, 2.1);
}

TEST(StepBudget, FollowsAPromptWhoseTokensBecomeDearer) {
  Machine m = machine(2);
  m.calm(64);
  for (int i = 0; i < 200; ++i) {
    m.token = 0.02 * (1 + i / 50.0);
    m.pass();
  }
  EXPECT_LT(m.worst, 2.1);
  EXPECT_GE(m.budget.prefill_tokens(4), 7);
}

// Beside a prompt of 16,384 tokens, streams grow by thousands of tokens themselves.
TEST(StepBudget, HoldsStreamsThatGrowToTheirPaceBefore) {
  Machine m = machine(2);
  m.calm(64);
  for (int i = 0; i < 200; ++i) {
    m.streams = 1 + 0.3 * i / 200;
    m.pass();
  }
  EXPECT_LT(m.worst, 2.1);
  EXPECT_GT(m.taken, 200 * 28);  // at the end 27 a pass
}

TEST(StepBudget, APromptGoesOnBesideStreamsThatGrewFarSlower) {
  Machine m = machine(2);
  m.calm(64);
  m.streams = 3;
  m.passes(20);
  EXPECT_NEAR(m.left_for_prompts(), 0.6, 0.01);
}

TEST(StepBudget, ThePaceBeforeIsThatOfTheLatestCalm) {
  Machine m = machine(2);
  m.calm(64);
  m.streams = 1.5;
  m.passes(20);
  EXPECT_NEAR(m.left_for_prompts(), 0.5, 0.01);
  m.calm(64);
  m.pass();
  EXPECT_NEAR(m.left_for_prompts(), 1.5, 0.01);
}

TEST(StepBudget, WithoutStreamsAPassLastsNoLongerThanACancelMayWait) {
  StepBudget budget({.max_prefill_tokens = 512, .max_seconds = 1});
  EXPECT_EQ(budget.prefill_tokens(0), 512);
  budget.observe_pass(0, 512, 0.4, 5.12);
  EXPECT_EQ(budget.prefill_tokens(0), 100);
  EXPECT_EQ(budget.step_seconds(0), 1);
}

}  // namespace
}  // namespace fathom::engine
