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
  const StepCost cost = step_cost(config, {&one, 1}, 58 * 8, Numerics::kNative);
  const double parameters = 37.6e9 - 129280.0 * 7168;
  EXPECT_NEAR(cost.total().flops / (2 * parameters), 1, 0.01);
  const double bf16 = 129280.0 * 7168 + 58 * 256.0 * 7168;
  EXPECT_NEAR(cost.total().bytes / (parameters + bf16), 1, 0.01);
}

TEST(StepCost, AttentionSeesEachPositionOnce) {
  ModelConfig config = full_size();
  config.num_hidden_layers = 1;
  const SequenceRows rows[] = {{100, 3, 0}, {0, 2, 0}};
  const StepCost cost = step_cost(config, rows, 0, Numerics::kNative);
  const double seen = 101 + 102 + 103 + 1 + 2;
  EXPECT_EQ(at(cost, Op::kAttend).flops, 2 * 128 * (576 + 512) * seen);
  EXPECT_EQ(at(cost, Op::kAttend).bytes, (103 + 2) * 576 * 2);
  EXPECT_EQ(at(cost, Op::kAbsorb).flops, 2.0 * 5 * 128 * 128 * 512);
  EXPECT_EQ(at(cost, Op::kHead).bytes, 0);
}

TEST(StepCost, ExpertsAreReadAsOftenAsTold) {
  const ModelConfig config = full_size();
  const SequenceRows rows{0, 4, 1};
  const double few =
      at(step_cost(config, {&rows, 1}, 58 * 8, Numerics::kNative), Op::kExperts).bytes;
  const double many =
      at(step_cost(config, {&rows, 1}, 58 * 9, Numerics::kNative), Op::kExperts).bytes;
  EXPECT_EQ(many - few, 58 * (3.0 * 2048 * 7168 * (1 + 4.0 / 16384)));
}

TEST(StepCost, TheLastLayersMlpTakesTheRowsThatAreWanted) {
  const ModelConfig config = full_size();
  const auto flops = [&](const SequenceRows& rows) {
    return at(step_cost(config, {&rows, 1}, 0, Numerics::kNative), Op::kExperts).flops;
  };
  const double row = flops({0, 1, 1}) / 58;
  EXPECT_DOUBLE_EQ(flops({0, 100, 1, true}), 58 * 100 * row);
  EXPECT_DOUBLE_EQ(flops({0, 100, 1, false}), (57 * 100 + 1) * row);
  EXPECT_DOUBLE_EQ(flops({0, 100, 0, false}), 57 * 100 * row);
}

TEST(StepCost, RoofTakesTheLargerSideOfEachOperation) {
  StepCost cost;
  cost.ops[0] = {100, 10};
  cost.ops[1] = {10, 100};
  cost.ops[2] = {10, 100, 80};
  CeilingRates rates;
  rates.read_bytes = 50;
  rates.bf16_flops = 20;
  rates.int8_flops = 40;
  EXPECT_DOUBLE_EQ(cost.roof(rates), 2 + 5 + 7);
}

// A byte a weight and two for 128 of them, the head's as well; attention and router as ever.
TEST(StepCost, Int8CountsItsOwnProductsAndBytes) {
  const ModelConfig config = full_size();
  const SequenceRows one{100, 1, 1};
  const StepCost native = step_cost(config, {&one, 1}, 58 * 8, Numerics::kNative);
  const StepCost int8 = step_cost(config, {&one, 1}, 58 * 8, Numerics::kInt8);
  EXPECT_DOUBLE_EQ(int8.total().flops + int8.total().int8, native.total().flops);
  EXPECT_EQ(at(int8, Op::kHead).bytes, 129280.0 * 7168 * (1 + 2.0 / 128));
  EXPECT_EQ(at(int8, Op::kHead).flops, 0);
  for (const Op op : {Op::kAbsorb, Op::kAttend, Op::kValues, Op::kRouter}) {
    EXPECT_EQ(at(int8, op).int8, 0);
    EXPECT_EQ(at(int8, op).bytes, at(native, op).bytes);
  }
}

TEST(StepCost, AnOutlinedHeadIsReadInInt8) {
  const ModelConfig config = full_size();
  const SequenceRows one{100, 1, 1};
  const StepCost whole = step_cost(config, {&one, 1}, 58 * 8, Numerics::kNative);
  const StepCost outlined = step_cost(config, {&one, 1}, 58 * 8, Numerics::kNative, true);
  EXPECT_EQ(at(outlined, Op::kHead).bytes, 129280.0 * 7168 * (1 + 2.0 / 128));
  EXPECT_EQ(at(outlined, Op::kHead).int8, at(whole, Op::kHead).flops);
  EXPECT_EQ(whole.total().bytes - outlined.total().bytes,
            at(whole, Op::kHead).bytes - at(outlined, Op::kHead).bytes);
}

}  // namespace
}  // namespace fathom::bench
