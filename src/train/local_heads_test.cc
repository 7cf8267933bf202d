#include "train/local_heads.h"

#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <vector>

#include "base/error.h"
#include "base/rng.h"

namespace fathom::train {
namespace {

ModelConfig small() {
  ModelConfig c;
  c.vocab_size = 100;
  c.hidden_size = 128;
  c.intermediate_size = c.moe_intermediate_size = 32;
  c.num_hidden_layers = c.first_k_dense_replace = 1;
  c.num_attention_heads = 3;
  c.q_lora_rank = 48;
  c.kv_lora_rank = 32;
  c.qk_nope_head_dim = c.qk_rope_head_dim = c.v_head_dim = 16;
  return c;
}

std::vector<double> multiply(const float* w, int64_t rows, const std::vector<double>& x) {
  std::vector<double> y(static_cast<size_t>(rows), 0.0);
  for (int64_t i = 0; i < rows; ++i) {
    for (size_t j = 0; j < x.size(); ++j) y[i] += w[i * std::ssize(x) + j] * x[j];
  }
  return y;
}

std::vector<double> normed(std::vector<double> x) {
  double sum = 0;
  for (const double v : x) sum += v * v;
  for (double& v : x) v /= std::sqrt(sum / static_cast<double>(x.size()));
  return x;
}

/// The rotary part of head `head`'s score of a query for token `a` at a key for `b`, `offset` back.
double score(const ModelConfig& c, const Layout& l, const std::vector<float>& p, int64_t head,
             int64_t a, int64_t b, int64_t offset) {
  const auto hidden = [&](int64_t id) {
    const float* row = p.data() + l.offset("model.embed_tokens.weight") + id * c.hidden_size;
    return normed(std::vector<double>(row, row + c.hidden_size));
  };
  const std::string at = "model.layers.0.self_attn.";
  const auto k =
      multiply(p.data() + l.offset(at + "kv_a_proj_with_mqa.weight"), c.kv_latent_dim(), hidden(b));
  const auto latent =
      normed(multiply(p.data() + l.offset(at + "q_a_proj.weight"), c.q_lora_rank, hidden(a)));
  const auto q = multiply(p.data() + l.offset(at + "q_b_proj.weight"),
                          c.num_attention_heads * c.qk_head_dim(), latent);
  double sum = 0;
  for (int64_t i = 0; i < c.qk_rope_head_dim / 2; ++i) {
    const double angle = static_cast<double>(offset) *
                         std::pow(c.rope_theta, -2.0 * static_cast<double>(i) / c.qk_rope_head_dim);
    const size_t at_q = head * c.qk_head_dim() + c.qk_nope_head_dim + 2 * i;
    const size_t at_k = c.kv_lora_rank + 2 * i;
    sum += (std::complex(q[at_q], q[at_q + 1]) * std::conj(std::complex(k[at_k], k[at_k + 1])) *
            std::polar(1.0, angle))
               .real();
  }
  return sum / std::sqrt(static_cast<double>(c.qk_head_dim()));
}

TEST(LocalHeads, LookAsFarBackAsTheyShould) {
  const ModelConfig c = small();
  const Layout layout(c);
  std::vector<float> params(static_cast<size_t>(layout.size));
  Rng rng(1);
  for (float& p : params) p = static_cast<float>(0.04 * rng.normal());
  start_local_heads(c, layout, {2, 0.04, 0.04}, params.data());
  for (int64_t head = 0; head < 2; ++head) {
    int right = 0;
    for (int trial = 0; trial < 50; ++trial) {
      const auto a = static_cast<int64_t>(rng.below(100));
      int64_t best = 0;
      double top = -1e9;
      for (int64_t offset = 0; offset < 12; ++offset) {
        const double s =
            score(c, layout, params, head, a, static_cast<int64_t>(rng.below(100)), offset);
        if (s > top) {
          top = s;
          best = offset;
        }
      }
      right += best == head + 1;
    }
    EXPECT_GE(right, 30) << "head " << head;  // by chance: 4
  }
}

TEST(LocalHeads, RefusesWhatItCannotDo) {
  ModelConfig c = small();
  std::vector<float> params(static_cast<size_t>(Layout(c).size));
  EXPECT_THROW(start_local_heads(c, Layout(c), {4, 0.04, 0.04}, params.data()), Error);
  c.q_lora_rank = 0;
  params.resize(static_cast<size_t>(Layout(c).size));
  EXPECT_THROW(start_local_heads(c, Layout(c), {1, 0.04, 0.04}, params.data()), Error);
}

}  // namespace
}  // namespace fathom::train
