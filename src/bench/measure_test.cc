#include "bench/measure.h"

#include <gtest/gtest.h>

#include <numeric>

#include <nlohmann/json.hpp>

#include "bench/report.h"

namespace fathom::bench {
namespace {

class Measure : public testing::Test {
 protected:
  Transformer model_{
      ModelWeights::load(Checkpoint::open(FATHOM_SOURCE_DIR "/tests/golden/model/v3-tiny-fp8")),
      {Numerics::kNative, 2, nullptr}};
  Ceilings ceilings_{2, size_t{64} << 20};
};

TEST_F(Measure, TimesAndCountsAreOfTheWorkload) {
  const Workload workload{"batch", 3, 2, 70};
  const Speed speed = measure(model_, ceilings_, workload, 0.01);
  EXPECT_GE(speed.steps, 1);
  EXPECT_GE(speed.seconds, 0.01);
  const double ops = std::accumulate(speed.op_seconds.begin(), speed.op_seconds.end(), 0.0);
  EXPECT_NEAR(ops, speed.step_seconds(), 1e-9);
  for (Op op : {Op::kAttend, Op::kExperts, Op::kMlp, Op::kHead, Op::kRest}) {
    EXPECT_GT(speed.op_seconds[static_cast<size_t>(op)], 0) << op_name(op);
  }
  const std::vector<SequenceRows> rows(3, {70, 2, 1});
  const StepCost expected = step_cost(model_.config(), rows, 0, Numerics::kNative);
  const auto attend = static_cast<size_t>(Op::kAttend);
  EXPECT_DOUBLE_EQ(speed.cost.ops[attend].flops, expected.ops[attend].flops);
  const ModelConfig& c = model_.config();
  int64_t moe_layers = 0;
  for (int64_t i = 0; i < c.num_hidden_layers; ++i) moe_layers += c.is_moe_layer(i);
  EXPECT_GE(speed.experts_read, static_cast<double>(moe_layers * c.num_experts_per_tok));
  EXPECT_LE(speed.experts_read, static_cast<double>(moe_layers * c.n_routed_experts));
  EXPECT_GT(speed.fraction(), 0);
  EXPECT_GT(speed.processor_share(2), 0);
  EXPECT_LT(speed.processor_share(2), 1.1);
}

TEST_F(Measure, TheLastLayerMayTakeFewerRows) {
  Workload workload{"prefill", 1, 40, 0};
  const auto flops = [&] { return measure(model_, ceilings_, workload, 0.01).cost.total().flops; };
  const double all = flops();
  workload.all_hidden = false;
  EXPECT_LT(flops(), all);
}

TEST_F(Measure, CeilingsAreWithinReason) {
  const CeilingRates one = ceilings_.on_one_thread();
  EXPECT_GT(one.read_bytes, 1e8);
  EXPECT_LT(one.read_bytes, 1e12);
  EXPECT_GT(one.f32_flops, 1e8);
  EXPECT_LT(one.f32_flops, 1e12);
  EXPECT_GT(one.bf16_flops, 0.1 * one.f32_flops);
  EXPECT_GT(one.int8_flops, 0.1 * one.f32_flops);
}

TEST_F(Measure, ReportHoldsWhatWasMeasured) {
  const Speed speed = measure(model_, ceilings_, {"decode at 0", 1, 1, 0}, 0.01);
  const Setting setting{"dir", "cpu", "isa", "native", false, 0, 2, {}, {}};
  const auto json = as_json(setting, {&speed, 1});
  const auto& run = json["runs"][0];
  EXPECT_EQ(run["name"], "decode at 0");
  EXPECT_DOUBLE_EQ(run["tokens_per_second"].get<double>(), speed.tokens_per_second());
  EXPECT_DOUBLE_EQ(run["flops_per_token"].get<double>(), speed.cost.total().flops);
  EXPECT_EQ(run["ops"].size(), kOps);
  EXPECT_NE(profile_table(speed).find("attend"), std::string::npos);
  EXPECT_NE(speed_line(setting, speed).find("decode at 0"), std::string::npos);
}

}  // namespace
}  // namespace fathom::bench
