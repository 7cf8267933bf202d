#include "bench/step_cost.h"

#include <gtest/gtest.h>

#include "io/file_system.h"

namespace fathom::bench {
namespace {

ModelConfig full_size() {
  const std::string path = FATHOM_SOURCE_DIR "/bench/configs/deepseek-v3-671b.json";
  return ModelConfig::parse(io::read_file(path), path);
}

const OpCost& at(const StepCost& cost, Op op) { return cost.ops[static_cast<size_t>(op)]; }

// The report's 37B activated parameters: 2 FLOPs each but for the embedding, about a byte each.
TEST(StepCost, FullSizeTokenCostsItsActiveParameters) {
  const ModelConfig config = full_size();
  const SequenceRows one{0, 1, 1};
  const StepCost cost = step_cost(config, {&one, 1}, 58 * 8, 2);
  const double parameters = 37.6e9 - 129280.0 * 7168;
  EXPECT_NEAR(cost.total().flops / (2 * parameters), 1, 0.01);
  const double bf16 = 129280.0 * 7168 + 58 * 256.0 * 7168;
  EXPECT_NEAR(cost.total().bytes / (parameters + bf16), 1, 0.01);
}

TEST(StepCost, AttentionSeesEachPositionOnce) {
  ModelConfig config = full_size();
  config.num_hidden_layers = 1;
  const SequenceRows rows[] = {{100, 3, 0}, {0, 2, 0}};
  const StepCost cost = step_cost(config, rows, 0, 2);
  const double seen = 101 + 102 + 103 + 1 + 2;
  EXPECT_EQ(at(cost, Op::kAttend).flops, 2 * 128 * (576 + 512) * seen);
  EXPECT_EQ(at(cost, Op::kAttend).bytes, (103 + 2) * 576 * 2);
  EXPECT_EQ(at(cost, Op::kAbsorb).flops, 2.0 * 5 * 128 * 128 * 512);
  EXPECT_EQ(at(cost, Op::kHead).bytes, 0);
}

TEST(StepCost, ExpertsAreReadAsOftenAsTold) {
  const ModelConfig config = full_size();
  const SequenceRows rows{0, 4, 1};
  const double few = at(step_cost(config, {&rows, 1}, 58 * 8, 2), Op::kExperts).bytes;
  const double many = at(step_cost(config, {&rows, 1}, 58 * 9, 2), Op::kExperts).bytes;
  EXPECT_EQ(many - few, 58 * (3.0 * 2048 * 7168 * (1 + 4.0 / 16384)));
}

TEST(StepCost, RoofTakesTheLargerSideOfEachOperation) {
  StepCost cost;
  cost.ops[0] = {100, 10};
  cost.ops[1] = {10, 100};
  EXPECT_DOUBLE_EQ(cost.roof(50, 20), 2 + 5);
}

}  // namespace
}  // namespace fathom::bench
