#include "train/net.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "base/rng.h"

namespace fathom::train {
namespace {

ModelConfig tiny() {
  ModelConfig c;
  c.vocab_size = 23;
  c.hidden_size = 12;
  c.intermediate_size = 10;
  c.moe_intermediate_size = 6;
  c.num_hidden_layers = 2;
  c.num_nextn_predict_layers = 1;
  c.num_attention_heads = 2;
  c.n_routed_experts = 4;
  c.n_shared_experts = 1;
  c.num_experts_per_tok = 2;
  c.first_k_dense_replace = 1;
  c.n_group = 2;
  c.topk_group = 1;
  c.routed_scaling_factor = 1.5;
  c.q_lora_rank = 8;
  c.kv_lora_rank = 6;
  c.qk_nope_head_dim = 4;
  c.qk_rope_head_dim = 4;
  c.v_head_dim = 6;
  c.max_position_embeddings = 64;
  return c;
}

template <typename T>
struct Fixture {
  explicit Fixture(const ModelConfig& c, Precision precision = Precision::kF32, double spread = 0.4)
      : config(c), layout(config), pool(2), net(config, layout, pool, precision) {
    Rng rng(5);
    params.resize(layout.size);
    for (const Param& p : layout.params) {
      for (int64_t i = 0; i < p.size(); ++i) {
        params[p.offset + i] =
            static_cast<T>((p.kind == ParamKind::kNorm ? 1.0 : 0.0) + spread * rng.normal());
      }
    }
    bias.assign(layout.moe_layers.size() * config.n_routed_experts, 0.0f);
    for (float& b : bias) b = static_cast<float>(0.1 * rng.normal());
    batch.batch = 2;
    batch.seq = 7;
    ids.resize(batch.batch * (batch.seq + 2));
    for (int32_t& id : ids) id = static_cast<int32_t>(rng.below(config.vocab_size));
    batch.ids = ids.data();
    scales = {0.3, 0.2, 0.05};
  }
  double loss() {
    net.load(params.data(), bias.data());
    std::vector<T> scrap(layout.size);
    return objective(net.train(batch, scales, scrap.data(), nullptr));
  }
  double objective(const LossSums& s) const {
    return scales.main * s.main + scales.mtp * s.mtp + s.balance;
  }

  ModelConfig config;
  Layout layout;
  ThreadPool pool;
  Net<T> net;
  std::vector<T> params;
  std::vector<float> bias;
  std::vector<int32_t> ids;
  MicroBatch batch;
  LossScales scales;
};

/// Central differences of the whole objective against the gradient, for a few elements of each
/// parameter; the balance loss' counts do not move under such small steps.
void check_gradients(Fixture<double>& s) {
  s.net.load(s.params.data(), s.bias.data());
  std::vector<double> grads(s.layout.size, 0.0);
  s.net.train(s.batch, s.scales, grads.data(), nullptr);
  Rng rng(9);
  for (const Param& p : s.layout.params) {
    for (int sample = 0; sample < 6; ++sample) {
      const int64_t at = p.offset + static_cast<int64_t>(rng.below(p.size()));
      const double keep = s.params[at], step = 1e-5;
      s.params[at] = keep + step;
      const double up = s.loss();
      s.params[at] = keep - step;
      const double down = s.loss();
      s.params[at] = keep;
      const double expected = (up - down) / (2 * step);
      EXPECT_NEAR(grads[at], expected, 1e-6 * std::max(1.0, std::fabs(expected)))
          << p.name << " element " << at - p.offset;
    }
  }
}

TEST(Net, GradientsOfTheWholeModel) {
  Fixture<double> s(tiny());
  check_gradients(s);
}

TEST(Net, GradientsWithYarnMaskAndSegments) {
  ModelConfig c = tiny();
  c.q_lora_rank = 0;
  c.norm_topk_prob = false;
  c.yarn = YarnConfig{};
  c.yarn->original_max_position_embeddings = 16;
  Fixture<double> s(c);
  std::vector<uint8_t> mask(s.ids.size(), 1);
  mask[3] = mask[10] = 0;
  std::vector<int32_t> segment = {0, 0, 0, 3, 3, 5, 5, 0, 1, 1, 1, 1, 1, 1};
  s.batch.mask = mask.data();
  s.batch.segment = segment.data();
  check_gradients(s);
}

/// The F32, BF16 and FP8 paths against float64, parameter by parameter. Every expert is chosen, for
/// a choice that rounding tips over would make a gradient that has nothing to do with the other.
/// `documents`: sequences long enough that attention leaves out whole panels of other documents.
void compare_with_double(Precision precision, double tolerance, bool documents = false) {
  ModelConfig c = tiny();
  c.n_group = c.topk_group = 1;
  c.num_experts_per_tok = 4;
  c.hidden_size = 160;
  c.moe_intermediate_size = 136;
  c.intermediate_size = 150;
  c.q_lora_rank = 72;
  c.kv_lora_rank = 40;
  c.v_head_dim = 20;
  Fixture<double> reference(c, Precision::kF32, 0.08);
  Fixture<float> s(c, precision, 0.08);
  for (int64_t i = 0; i < s.layout.size; ++i) {
    s.params[i] = static_cast<float>(reference.params[i]);
  }
  const int64_t seq = documents ? 230 : 70;
  reference.batch.seq = s.batch.seq = seq;
  Rng rng(3);
  std::vector<int32_t> ids(2 * (seq + 2));
  std::vector<int32_t> segment(2 * seq);
  std::vector<uint8_t> mask(ids.size(), 1);
  if (documents) {
    for (int64_t i = 0; i < 2 * seq; ++i) {
      const int64_t t = i % seq;
      segment[i] = static_cast<int32_t>(t >= 190 ? 190 : t >= 70 ? 70 : 0);
      mask[i / seq * (seq + 2) + t] = t % 3 != 0;
    }
    reference.batch.segment = s.batch.segment = segment.data();
    reference.batch.mask = s.batch.mask = mask.data();
  }
  for (int32_t& id : ids) id = static_cast<int32_t>(rng.below(c.vocab_size));
  reference.batch.ids = s.batch.ids = ids.data();
  std::vector<double> expected(s.layout.size, 0.0);
  std::vector<float> grads(s.layout.size, 0.0f);
  reference.net.load(reference.params.data(), reference.bias.data());
  const double loss = reference.objective(
      reference.net.train(reference.batch, reference.scales, expected.data(), nullptr));
  s.net.load(s.params.data(), s.bias.data());
  const LossSums sums = s.net.train(s.batch, s.scales, grads.data(), nullptr);
  EXPECT_NEAR(s.objective(sums) / loss, 1.0, tolerance);
  for (const Param& p : s.layout.params) {
    double difference = 0, norm = 0;
    for (int64_t i = p.offset; i < p.offset + p.size(); ++i) {
      difference += (grads[i] - expected[i]) * (grads[i] - expected[i]);
      norm += expected[i] * expected[i];
    }
    EXPECT_LE(std::sqrt(difference), tolerance * 3 * std::sqrt(norm) + 1e-7) << p.name;
  }
}

TEST(Net, Bf16WithDocumentsIsNearFloat64) { compare_with_double(Precision::kBF16, 0.05, true); }
TEST(Net, Fp8WithDocumentsIsNearFloat64) { compare_with_double(Precision::kFP8, 0.15, true); }
TEST(Net, F32EqualsFloat64) { compare_with_double(Precision::kF32, 1e-5); }
TEST(Net, Bf16IsNearFloat64) { compare_with_double(Precision::kBF16, 0.05); }
TEST(Net, Fp8IsNearFloat64) { compare_with_double(Precision::kFP8, 0.15); }

}  // namespace
}  // namespace fathom::train
