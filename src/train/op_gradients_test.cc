// Central differences in float64 for every operation by itself; net_test.cc has the whole model.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "base/rng.h"
#include "train/attention.h"
#include "train/head.h"
#include "train/moe.h"
#include "train/net.h"
#include "train/ops.h"

namespace fathom::train {
namespace {

using Values = std::vector<double>;

Values random_values(int64_t n, uint64_t seed, double spread = 0.7) {
  Rng rng(seed);
  Values x(static_cast<size_t>(n));
  for (double& v : x) v = spread * rng.normal();
  return x;
}

double product(const Values& a, const Values& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// `gradient` against central differences of `loss`, which reads x, for each element of x.
void expect_gradient(const std::string& of, Values& x, const double* gradient,
                     const std::function<double()>& loss) {
  constexpr double kStep = 1e-5;
  for (size_t i = 0; i < x.size(); ++i) {
    const double keep = x[i];
    x[i] = keep + kStep;
    const double up = loss();
    x[i] = keep - kStep;
    const double down = loss();
    x[i] = keep;
    const double expected = (up - down) / (2 * kStep);
    ASSERT_NEAR(gradient[i], expected, 1e-6 * std::max(1.0, std::fabs(expected)))
        << of << ", element " << i;
  }
}

ModelConfig small() {
  ModelConfig c;
  c.vocab_size = 9;
  c.hidden_size = 6;
  c.intermediate_size = 5;
  c.moe_intermediate_size = 4;
  c.num_hidden_layers = 1;
  c.num_nextn_predict_layers = 0;
  c.num_attention_heads = 2;
  c.n_routed_experts = 6;
  c.n_shared_experts = 1;
  c.num_experts_per_tok = 3;
  c.first_k_dense_replace = 0;
  c.n_group = 3;
  c.topk_group = 2;
  c.routed_scaling_factor = 1.7;
  c.q_lora_rank = 4;
  c.kv_lora_rank = 5;
  c.qk_nope_head_dim = 2;
  c.qk_rope_head_dim = 4;
  c.v_head_dim = 3;
  c.max_position_embeddings = 64;
  return c;
}

/// Two sequences of 5 tokens through modules of the first layer.
struct Bench {
  explicit Bench(const ModelConfig& c)
      : config(c),
        layout(config),
        pool(2),
        context{config, layout, pool},
        params(random_values(layout.size, 1)),
        grads(static_cast<size_t>(layout.size), 0.0),
        bias(static_cast<size_t>(config.n_routed_experts)) {
    Rng rng(2);
    for (float& b : bias) b = static_cast<float>(0.2 * rng.normal());
    context.batch = 2;
    context.seq = 5;
    context.params = params.data();
    context.grads = grads.data();
    context.source_grads = {grads.data()};
    context.bias = bias.data();
    context.prepare_rope();
  }
  int64_t tokens() const { return context.tokens(); }

  ModelConfig config;
  Layout layout;
  ThreadPool pool;
  Context<double> context;
  Values params, grads;
  std::vector<float> bias;
};

/// A residual branch: y = forward(x), with backward turning dy into dx.
template <typename Module>
void expect_branch(Bench& b, Module& module) {
  const int64_t n = b.tokens() * b.config.hidden_size;
  Values x = random_values(n, 3), y(x.size());
  const Values weight = random_values(n, 4);
  const auto loss = [&] {
    module.load(b.params.data());
    module.forward(b.context, x.data(), y.data());
    return product(weight, y);
  };
  loss();
  Values dx = weight;
  module.backward(b.context, x.data(), dx.data());
  expect_gradient("input", x, dx.data(), loss);
  expect_gradient("parameters", b.params, b.grads.data(), loss);
}

TEST(OpGradients, RmsNorm) {
  Values x = random_values(7, 1), w = random_values(7, 2), y(7);
  const Values weight = random_values(7, 3);
  double inv = 0;
  const auto loss = [&] {
    rmsnorm(x.data(), w.data(), 7, 1e-6, y.data(), &inv);
    return product(weight, y);
  };
  loss();
  Values dx(7, 0.0), dw(7, 0.0);
  rmsnorm_back(x.data(), w.data(), weight.data(), inv, 7, dx.data(), dw.data());
  expect_gradient("x", x, dx.data(), loss);
  expect_gradient("w", w, dw.data(), loss);
}

TEST(OpGradients, SwiGlu) {
  Values g = random_values(9, 1, 2.0), u = random_values(9, 2), y(9), again(9), dg(9), du(9);
  const Values weight = random_values(9, 3);
  const auto loss = [&] {
    swiglu(g.data(), u.data(), 9, y.data());
    return product(weight, y);
  };
  loss();
  swiglu_back(g.data(), u.data(), weight.data(), 9, again.data(), dg.data(), du.data());
  for (size_t i = 0; i < y.size(); ++i) EXPECT_DOUBLE_EQ(y[i], again[i]);
  expect_gradient("gate", g, dg.data(), loss);
  expect_gradient("up", u, du.data(), loss);
}

TEST(OpGradients, Rotation) {
  Bench b(small());
  const int64_t pairs = b.config.qk_rope_head_dim / 2;
  Values x = random_values(2 * pairs, 1);
  const Values weight = random_values(2 * pairs, 2);
  const double* cosine = b.context.cosine.data() + 3 * pairs;
  const double* sine = b.context.sine.data() + 3 * pairs;
  const auto loss = [&] {
    Values y = x;
    rotate_pairs(y.data(), cosine, sine, pairs, 1.0);
    return product(weight, y);
  };
  Values dx = weight;
  rotate_pairs(dx.data(), cosine, sine, pairs, -1.0);
  expect_gradient("x", x, dx.data(), loss);
}

TEST(OpGradients, Linear) {
  constexpr int64_t kRows = 5, kIn = 4, kOut = 3;
  ThreadPool pool(2);
  Values w = random_values(kOut * kIn, 1), x = random_values(kRows * kIn, 2), y(kRows * kOut);
  const Values weight = random_values(kRows * kOut, 3);
  Linear<double> linear(kOut, kIn, 0, Format::kDense);
  const Dense<double> in{x.data(), kIn, nullptr, kRows, kIn};
  const Dense<double> dy{weight.data(), kOut, nullptr, kRows, kOut};
  Rows<double> rows;
  const auto loss = [&] {
    linear.load(w.data());
    rows.assign(pool, in, Format::kDense, ScaleKind::kExact);
    linear.forward_all(pool, rows, y.data(), kOut);
    return product(weight, y);
  };
  Values dx(x.size(), 0.0), dw(w.size(), 0.0);
  Pairs<double> left, right;
  loss();
  rows.assign(pool, dy, Format::kDense, ScaleKind::kExact);
  linear.dgrad_all(pool, rows, dx.data(), kIn, false);
  left.assign(pool, dy, Format::kDense, ScaleKind::kExact);
  right.assign(pool, in, Format::kDense, ScaleKind::kExact);
  linear.wgrad_all(pool, left, right, dw.data());
  expect_gradient("x", x, dx.data(), loss);
  expect_gradient("w", w, dw.data(), loss);
}

/// Scores, softmax and values, with attention cut at document boundaries.
TEST(OpGradients, AttentionCore) {
  Bench b(small());
  const ModelConfig& m = b.config;
  const int64_t n = b.tokens(), heads = m.num_attention_heads, rope = m.qk_rope_head_dim;
  const std::vector<int32_t> segment = {0, 0, 2, 2, 2, 0, 0, 0, 0, 4};
  b.context.segment = segment.data();
  Values q = random_values(n * heads * m.qk_head_dim(), 1), k_rope = random_values(n * rope, 2);
  Values kv = random_values(n * heads * (m.qk_nope_head_dim + m.v_head_dim), 3);
  Values out(static_cast<size_t>(n * heads * m.v_head_dim)), lse(static_cast<size_t>(n * heads));
  const Values weight = random_values(std::ssize(out), 4);
  Values d_q(q.size()), d_kv(kv.size()), d_heads(static_cast<size_t>(n * heads * rope));
  const AttentionData<double> d{q.data(),      kv.data(),  k_rope.data(), out.data(),    lse.data(),
                                weight.data(), d_q.data(), d_kv.data(),   d_heads.data()};
  const auto loss = [&] {
    attention_forward(b.context, d);
    return product(weight, out);
  };
  loss();
  attention_backward(b.context, d);
  Values d_k_rope(k_rope.size(), 0.0);
  for (int64_t i = 0; i < n * heads * rope; ++i) {
    d_k_rope[i / (heads * rope) * rope + i % rope] += d_heads[i];
  }
  expect_gradient("queries", q, d_q.data(), loss);
  expect_gradient("keys and values", kv, d_kv.data(), loss);
  expect_gradient("rotated keys", k_rope, d_k_rope.data(), loss);
}

TEST(OpGradients, AttentionLayer) {
  for (const int64_t q_lora : {4, 0}) {
    ModelConfig c = small();
    c.q_lora_rank = q_lora;
    Bench b(c);
    AttentionWork<double> work;
    Attention<double> attention(b.context, work, layer_prefix(0));
    expect_branch(b, attention);
  }
}

/// Weights of the chosen experts and the balance loss, whose counts don't move under small steps.
TEST(OpGradients, Gate) {
  for (const bool normalized : {true, false}) {
    ModelConfig c = small();
    c.norm_topk_prob = normalized;
    Bench b(c);
    b.context.balance_scale = 0.4;
    Gate<double> gate(b.context, 0, 0);
    Values h = random_values(b.tokens() * c.hidden_size, 3);
    const Values weight = random_values(b.tokens() * c.num_experts_per_tok, 4);
    const auto loss = [&] {
      gate.forward(b.context, h.data());
      return product(weight, gate.weights()) + gate.balance_loss();
    };
    loss();
    Values d_h(h.size(), 0.0);
    gate.backward(b.context, h.data(), weight.data(), d_h.data());
    expect_gradient("input", h, d_h.data(), loss);
    expect_gradient("router", b.params, b.grads.data(), loss);
  }
}

/// Rows of two experts of three, one of them with none.
TEST(OpGradients, Experts) {
  Bench b(small());
  const int64_t hidden = b.config.hidden_size, n = 4;
  const std::string prefix = layer_prefix(0) + "mlp.experts.";
  ExpertsWork<double> work;
  Experts<double> experts(b.context, work, {prefix + "0.", prefix + "1.", prefix + "2."},
                          b.config.moe_intermediate_size);
  Slots slots;
  slots.assign({{0, 2, 3}, {}, {1, 2}});
  Values h = random_values(n * hidden, 3), out(static_cast<size_t>(slots.size() * hidden));
  Values weight = random_values(slots.size(), 4);
  const Values d_token = random_values(n * hidden, 5);
  const Dense<double> in{h.data(), hidden, nullptr, n, hidden};
  Rows<double> rows;
  /// Every slot's output, weighted, meets the gradient of its token.
  const auto loss = [&] {
    experts.load(b.params.data());
    rows.assign(b.pool, in, Format::kDense, ScaleKind::kExact);
    experts.forward(b.context, slots, rows, out.data());
    double sum = 0;
    for (int64_t s = 0; s < slots.size(); ++s) {
      if (slots.token[s] < 0) continue;
      sum += weight[s] *
             dot(out.data() + s * hidden, d_token.data() + slots.token[s] * hidden, hidden);
    }
    return sum;
  };
  loss();
  Rows<double> dy;
  dy.assign(b.pool, {d_token.data(), hidden, nullptr, n, hidden}, Format::kDense,
            ScaleKind::kExact);
  Values d_weight(weight.size(), 0.0), d_in(out.size(), 0.0), dh(h.size(), 0.0);
  experts.backward(b.context, slots, in, dy, weight.data(), d_weight.data(), d_in.data());
  for (int64_t s = 0; s < slots.size(); ++s) {
    if (slots.token[s] >= 0) {
      axpy(1.0, d_in.data() + s * hidden, hidden, dh.data() + slots.token[s] * hidden);
    }
  }
  expect_gradient("input", h, dh.data(), loss);
  expect_gradient("weights", weight, d_weight.data(), loss);
  expect_gradient("parameters", b.params, b.grads.data(), loss);
}

TEST(OpGradients, FeedForward) {
  for (const int64_t dense_layers : {0, 1}) {
    for (const int64_t shared : {0, 1}) {
      ModelConfig c = small();
      c.first_k_dense_replace = dense_layers;
      c.n_shared_experts = shared;
      Bench b(c);
      ExpertsWork<double> work;
      FeedForward<double> layer(b.context, work, 0);
      expect_branch(b, layer);
    }
  }
}

TEST(OpGradients, HeadWithCrossEntropy) {
  Bench b(small());
  Head<double> head(b.context);
  const int64_t n = 6;
  const std::vector<int32_t> target = {3, -1, 0, 8, -1, 3};
  Values x = random_values(n * b.config.hidden_size, 3), dx(x.size());
  constexpr double kScale = 0.37;
  const auto loss = [&] {
    head.load(b.params.data());
    return kScale * head.loss(b.context, x.data(), target.data(), n, kScale, nullptr).loss;
  };
  loss();
  head.loss(b.context, x.data(), target.data(), n, kScale, dx.data());
  expect_gradient("input", x, dx.data(), loss);
  expect_gradient("parameters", b.params, b.grads.data(), loss);
}

/// Without layers there is the embedding, a norm and the head; with MTP also its join of the next
/// token's embedding to the state, and its one block.
TEST(OpGradients, EmbeddingAndMtpJoin) {
  for (const int64_t mtp : {0, 1}) {
    ModelConfig c = small();
    c.num_hidden_layers = 0;
    c.num_nextn_predict_layers = mtp;
    Bench b(c);
    Net<double> net(b.config, b.layout, b.pool, Precision::kF32);
    const std::vector<int32_t> ids = {1, 5, 5, 0, 8, 2, 3, 4, 1, 7, 7, 2};
    MicroBatch batch{2, 4, ids.data(), nullptr, nullptr};
    const LossScales scales{0.2, 0.3, 0.1};
    const auto run = [&](Values& grads) {
      net.load(b.params.data(), b.bias.data());
      const LossSums sums = net.train(batch, scales, grads.data(), nullptr);
      return scales.main * sums.main + scales.mtp * sums.mtp + sums.balance;
    };
    Values scrap(b.grads.size());
    run(b.grads);
    expect_gradient("parameters", b.params, b.grads.data(), [&] { return run(scrap); });
  }
}

}  // namespace
}  // namespace fathom::train
