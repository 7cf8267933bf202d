#include "kernels/gate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace fathom {
namespace {

struct Choice {
  std::vector<int32_t> ids;
  std::vector<float> weights;
};

Choice choose(const GateParams& params, const std::vector<float>& scores,
              const std::vector<float>& bias = {}) {
  Choice choice{std::vector<int32_t>(static_cast<size_t>(params.chosen)),
                std::vector<float>(static_cast<size_t>(params.chosen))};
  gate_choose(params, scores, bias, choice.ids, choice.weights);
  return choice;
}

TEST(Gate, BiasSelectsButDoesNotWeigh) {
  const GateParams params{GateScoring::kSigmoid, GroupScore::kBestTwo, 4, 1, 1, 2, true, 2.5f};
  const Choice choice = choose(params, {0.1f, 0.4f, 0.3f, 0.2f}, {1.0f, 0.0f, 0.0f, 0.0f});
  EXPECT_EQ(choice.ids, (std::vector<int32_t>{0, 1}));
  EXPECT_FLOAT_EQ(choice.weights[0], 0.1f / 0.5f * 2.5f);
  EXPECT_FLOAT_EQ(choice.weights[1], 0.4f / 0.5f * 2.5f);
}

TEST(Gate, GroupsRankByTheirTwoBestOrByTheirBest) {
  // Group 0 has the best expert, group 1 the best pair.
  const std::vector<float> scores = {0.9f, 0.0f, 0.6f, 0.5f};
  GateParams params{GateScoring::kSigmoid, GroupScore::kBestTwo, 4, 2, 1, 1, false, 1.0f};
  EXPECT_EQ(choose(params, scores).ids[0], 2);
  params.group_score = GroupScore::kBest;
  EXPECT_EQ(choose(params, scores).ids[0], 0);
  params.group_score = GroupScore::kNone;
  EXPECT_EQ(choose(params, scores).ids[0], 0);
}

TEST(Gate, NegativeBiasedScoresStillBeatMaskedGroups) {
  const GateParams params{GateScoring::kSigmoid, GroupScore::kBestTwo, 4, 2, 1, 2, true, 1.0f};
  const Choice choice = choose(params, {0.5f, 0.4f, 0.1f, 0.2f}, {-3, -3, -9, -9});
  EXPECT_EQ(choice.ids, (std::vector<int32_t>{0, 1}));
}

TEST(Gate, EqualScoresGoToTheLowerIndex) {
  const GateParams params{GateScoring::kSigmoid, GroupScore::kNone, 5, 1, 1, 3, true, 1.0f};
  EXPECT_EQ(choose(params, {0.5f, 0.5f, 0.5f, 0.5f, 0.6f}).ids, (std::vector<int32_t>{4, 0, 1}));
}

TEST(Gate, LoneExpertIsNotNormalized) {
  const GateParams params{GateScoring::kSoftmax, GroupScore::kNone, 3, 1, 1, 1, true, 1.0f};
  EXPECT_FLOAT_EQ(choose(params, {0.2f, 0.7f, 0.1f}).weights[0], 0.7f);
}

TEST(Gate, ScoresAreSigmoidOrSoftmax) {
  std::vector<float> x = {0.0f, 100.0f, -100.0f};
  gate_scores({GateScoring::kSigmoid, GroupScore::kNone, 3, 1, 1, 1, true, 1}, x);
  EXPECT_FLOAT_EQ(x[0], 0.5f);
  EXPECT_FLOAT_EQ(x[1], 1.0f);
  std::vector<float> y = {1.0f, 2.0f, 3.0f};
  gate_scores({GateScoring::kSoftmax, GroupScore::kNone, 3, 1, 1, 1, true, 1}, y);
  EXPECT_FLOAT_EQ(y[0] + y[1] + y[2], 1.0f);
  EXPECT_FLOAT_EQ(y[2] / y[1], std::exp(1.0f));
}

TEST(Gate, NanScoresChooseSomethingWithinRange) {
  const GateParams params{GateScoring::kSigmoid, GroupScore::kBestTwo, 4, 2, 1, 2, true, 1.0f};
  const float nan = std::nanf("");
  for (int32_t id : choose(params, {nan, nan, nan, nan}).ids) EXPECT_TRUE(id >= 0 && id < 4);
}

}  // namespace
}  // namespace fathom
