#include "train/attention.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "tensor/float_formats.h"
#include "train/ops.h"

namespace fathom::train {
namespace {

constexpr int64_t kRowsPerItem = 64;

template <typename Body>
void for_rows(ThreadPool& pool, int64_t rows, const Body& body) {
  pool.run(round_up(rows, kRowsPerItem) / kRowsPerItem, [&](int64_t item, int) {
    const int64_t end = std::min(rows, (item + 1) * kRowsPerItem);
    for (int64_t i = item * kRowsPerItem; i < end; ++i) body(i);
  });
}

/// Rounds to six mantissa bits; with values scaled to at most 448 only the smallest are subnormal
/// (step 2^-20).
float round_e5m6(float x) {
  if (std::fabs(x) < 0x1p-14f) return std::nearbyint(x * 0x1p20f) * 0x1p-20f;
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  return std::bit_cast<float>((bits + 0xFFFFu + ((bits >> 17) & 1u)) & 0xFFFE0000u);
}

}  // namespace

template <typename T>
Attention<T>::Attention(const Context<T>& c, Work& work, const std::string& prefix) : work_(work) {
  const ModelConfig& m = c.config;
  const std::string p = prefix + "self_attn.";
  const int64_t heads = m.num_attention_heads;
  const auto linear = [&](const std::string& name, int64_t out, int64_t in) {
    return Linear<T>(out, in, c.layout.offset(p + name + ".weight"), c.trunk());
  };
  in_norm_ = c.layout.offset(prefix + "input_layernorm.weight");
  if (m.q_lora_rank > 0) {
    q_a_ = linear("q_a_proj", m.q_lora_rank, m.hidden_size);
    q_norm_ = c.layout.offset(p + "q_a_layernorm.weight");
    q_b_ = linear("q_b_proj", heads * m.qk_head_dim(), m.q_lora_rank);
  } else {
    q_b_ = linear("q_proj", heads * m.qk_head_dim(), m.hidden_size);
  }
  kv_a_ = linear("kv_a_proj_with_mqa", m.kv_latent_dim(), m.hidden_size);
  kv_norm_ = c.layout.offset(p + "kv_a_layernorm.weight");
  kv_b_ = linear("kv_b_proj", heads * (m.qk_nope_head_dim + m.v_head_dim), m.kv_lora_rank);
  o_ = linear("o_proj", m.hidden_size, heads * m.v_head_dim);
}

template <typename T>
void Attention<T>::load(const T* params) {
  for (Linear<T>* linear : {&q_a_, &q_b_, &kv_a_, &kv_b_, &o_}) {
    if (linear->out() > 0) linear->load(params);
  }
}

/// From the kept latents (and the normed input in work_.h): queries, keys and values.
template <typename T>
void Attention<T>::project(Context<T>& c) {
  const ModelConfig& m = c.config;
  const int64_t n = c.tokens(), heads = m.num_attention_heads;
  const int64_t nope = m.qk_nope_head_dim, rope = m.qk_rope_head_dim, latent = m.kv_latent_dim();
  Work& w = work_;
  T* q = w.q.resize(n * heads * (nope + rope));
  T* kv = w.kv.resize(n * kv_b_.out());
  T* k_rope = w.k_rope.resize(n * rope);
  if (m.q_lora_rank > 0) {
    const T* normed = w.q_norm.resize(n * m.q_lora_rank);
    norm_rows(c, q_a_out_.data(), m.q_lora_rank, q_norm_, n, m.q_lora_rank, w.q_norm.data(),
              q_inv_.resize(n));
    w.rows.assign(c.pool, {normed, m.q_lora_rank, nullptr, n, m.q_lora_rank}, q_b_.format(),
                  ScaleKind::kExact);
  } else {
    w.rows.assign(c.pool, {w.h.data(), m.hidden_size, nullptr, n, m.hidden_size}, q_b_.format(),
                  ScaleKind::kExact);
  }
  q_b_.forward_all(c.pool, w.rows, q, q_b_.out());
  T* kv_normed = w.kv_norm.resize(n * m.kv_lora_rank);
  norm_rows(c, kv_a_out_.data(), latent, kv_norm_, n, m.kv_lora_rank, kv_normed, kv_inv_.resize(n));
  w.rows.assign(c.pool, {kv_normed, m.kv_lora_rank, nullptr, n, m.kv_lora_rank}, kv_b_.format(),
                ScaleKind::kExact);
  kv_b_.forward_all(c.pool, w.rows, kv, kv_b_.out());
  for_rows(c.pool, n, [&](int64_t i) {
    const T* cosine = c.cosine.data() + i % c.seq * (rope / 2);
    const T* sine = c.sine.data() + i % c.seq * (rope / 2);
    std::copy_n(kv_a_out_.data() + i * latent + m.kv_lora_rank, rope, k_rope + i * rope);
    rotate_pairs(k_rope + i * rope, cosine, sine, rope / 2, T(1));
    for (int64_t h = 0; h < heads; ++h) {
      rotate_pairs(q + (i * heads + h) * (nope + rope) + nope, cosine, sine, rope / 2, T(1));
    }
  });
}

template <typename T>
void Attention<T>::keep_out(Context<T>& c, const T* out) {
  const int64_t n = c.tokens(), width = o_.in();
  if constexpr (std::is_same_v<T, float>) {
    if (c.fp8()) {
      const int64_t blocks = round_up(width, 128) / 128;
      uint16_t* kept = out_e5m6_.resize(n * width);
      float* scale = out_scale_.resize(n * blocks);
      for_rows(c.pool, n, [&](int64_t i) {
        for (int64_t b = 0; b < blocks; ++b) {
          const int64_t end = std::min(width, (b + 1) * 128);
          float amax = 1e-30f;
          for (int64_t j = b * 128; j < end; ++j)
            amax = std::max(amax, std::fabs(out[i * width + j]));
          const float s = std::exp2(std::ceil(std::log2(amax / 448.0f)));
          scale[i * blocks + b] = s;
          for (int64_t j = b * 128; j < end; ++j) {
            kept[i * width + j] = f32_to_bf16(round_e5m6(out[i * width + j] / s));
          }
        }
      });
      return;
    }
  }
  std::copy_n(out, n * width, out_.resize(n * width));
}

template <typename T>
const T* Attention<T>::kept_out(Context<T>& c) {
  if constexpr (std::is_same_v<T, float>) {
    if (c.fp8()) {
      const int64_t n = c.tokens(), width = o_.in(), blocks = round_up(width, 128) / 128;
      float* out = work_.out.resize(n * width);
      for_rows(c.pool, n, [&](int64_t i) {
        for (int64_t j = 0; j < width; ++j) {
          out[i * width + j] = bf16_to_f32(out_e5m6_.data()[i * width + j]) *
                               out_scale_.data()[i * blocks + j / 128];
        }
      });
      return out;
    }
  }
  return out_.data();
}

template <typename T>
void Attention<T>::forward(Context<T>& c, const T* x, T* y) {
  const ModelConfig& m = c.config;
  const int64_t n = c.tokens(), hidden = m.hidden_size;
  Work& w = work_;
  T* h = w.h.resize(n * hidden);
  norm_rows(c, x, hidden, in_norm_, n, hidden, h, inv_.resize(n));
  w.rows.assign(c.pool, {h, hidden, nullptr, n, hidden}, c.trunk(), ScaleKind::kExact);
  if (m.q_lora_rank > 0) {
    q_a_.forward_all(c.pool, w.rows, q_a_out_.resize(n * m.q_lora_rank), m.q_lora_rank);
  }
  kv_a_.forward_all(c.pool, w.rows, kv_a_out_.resize(n * kv_a_.out()), kv_a_.out());
  project(c);

  T* out = w.out.resize(n * o_.in());
  AttentionData<T> d;
  d.q = w.q.data();
  d.kv = w.kv.data();
  d.k_rope = w.k_rope.data();
  d.out = out;
  d.lse = lse_.resize(n * m.num_attention_heads);
  attention_forward(c, d);
  keep_out(c, out);

  w.rows.assign(c.pool, {out, o_.in(), nullptr, n, o_.in()}, o_.format(), ScaleKind::kPow2);
  o_.forward_all(c.pool, w.rows, y, hidden);
  for_rows(c.pool, n, [&](int64_t i) { axpy(T(1), x + i * hidden, hidden, y + i * hidden); });
}

/// Weight and input gradients of an up-projection.
template <typename T>
void Attention<T>::latent_back(Context<T>& c, Linear<T>& up, const T* d_up, const T* normed,
                               T* d_normed) {
  const int64_t n = c.tokens();
  Work& w = work_;
  const Dense<T> dense{d_up, up.out(), nullptr, n, up.out()};
  w.rows.assign(c.pool, dense, up.format(), ScaleKind::kExact);
  up.dgrad_all(c.pool, w.rows, d_normed, up.in(), false);
  w.left.assign(c.pool, dense, up.format(), ScaleKind::kExact);
  w.right.assign(c.pool, {normed, up.in(), nullptr, n, up.in()}, up.format(), ScaleKind::kExact);
  up.wgrad_all(c.pool, w.left, w.right, c.grads);
}

template <typename T>
void Attention<T>::backward(Context<T>& c, const T* x, T* dx) {
  const ModelConfig& m = c.config;
  const int64_t n = c.tokens(), hidden = m.hidden_size, heads = m.num_attention_heads;
  const int64_t nope = m.qk_nope_head_dim, rope = m.qk_rope_head_dim, latent = m.kv_latent_dim();
  Work& w = work_;
  // o_proj.
  const T* out = kept_out(c);
  const Dense<T> dy{dx, hidden, nullptr, n, hidden};
  w.rows.assign(c.pool, dy, o_.format(), ScaleKind::kExact);
  T* d_out = w.d_out.resize(n * o_.in());
  o_.dgrad_all(c.pool, w.rows, d_out, o_.in(), false);
  w.left.assign(c.pool, dy, o_.format(), ScaleKind::kExact);
  w.right.assign(c.pool, {out, o_.in(), nullptr, n, o_.in()}, o_.format(), ScaleKind::kPow2);
  o_.wgrad_all(c.pool, w.left, w.right, c.grads);

  // Attention, on recomputed queries, keys and values.
  T* h = w.h.resize(n * hidden);
  norm_rows(c, x, hidden, in_norm_, n, hidden, h, inv_.data());
  project(c);
  AttentionData<T> d;
  d.q = w.q.data();
  d.kv = w.kv.data();
  d.k_rope = w.k_rope.data();
  d.lse = lse_.data();
  d.d_out = d_out;
  d.d_q = w.d_q.resize(n * heads * (nope + rope));
  d.d_kv = w.d_kv.resize(n * kv_b_.out());
  d.d_k_rope = w.d_rope_heads.resize(n * heads * rope);
  attention_backward(c, d);

  // Rotations; the shared key adds up over the heads.
  T* d_kv_a = w.d_kv_a.resize(n * latent);
  for_rows(c.pool, n, [&](int64_t i) {
    const T* cosine = c.cosine.data() + i % c.seq * (rope / 2);
    const T* sine = c.sine.data() + i % c.seq * (rope / 2);
    std::fill_n(d_kv_a + i * latent, latent, T(0));
    T* d_k = d_kv_a + i * latent + m.kv_lora_rank;
    for (int64_t head = 0; head < heads; ++head) {
      axpy(T(1), d.d_k_rope + (i * heads + head) * rope, rope, d_k);
      rotate_pairs(d.d_q + (i * heads + head) * (nope + rope) + nope, cosine, sine, rope / 2,
                   T(-1));
    }
    rotate_pairs(d_k, cosine, sine, rope / 2, T(-1));
  });

  // Up-projections and the latents' norms.
  T* d_kv_norm = w.d_kv_norm.resize(n * m.kv_lora_rank);
  latent_back(c, kv_b_, d.d_kv, w.kv_norm.data(), d_kv_norm);
  norm_rows_back(c, kv_a_out_.data(), latent, kv_norm_, n, m.kv_lora_rank, d_kv_norm,
                 kv_inv_.data(), d_kv_a, latent);
  T* d_h = w.d_h.resize(n * hidden);
  if (m.q_lora_rank > 0) {
    T* d_q_norm = w.d_q_norm.resize(n * m.q_lora_rank);
    latent_back(c, q_b_, d.d_q, w.q_norm.data(), d_q_norm);
    T* d_q_a = w.d_q_a.resize(n * m.q_lora_rank);
    std::fill_n(d_q_a, n * m.q_lora_rank, T(0));
    norm_rows_back(c, q_a_out_.data(), m.q_lora_rank, q_norm_, n, m.q_lora_rank, d_q_norm,
                   q_inv_.data(), d_q_a, m.q_lora_rank);
    latent_back(c, q_a_, d_q_a, h, d_h);
  } else {
    latent_back(c, q_b_, d.d_q, h, d_h);
  }
  // Down-projection of keys and values; w.right still holds h.
  const Dense<T> d_latent{d_kv_a, latent, nullptr, n, latent};
  w.rows.assign(c.pool, d_latent, kv_a_.format(), ScaleKind::kExact);
  kv_a_.dgrad_all(c.pool, w.rows, d_h, hidden, true);
  w.left.assign(c.pool, d_latent, kv_a_.format(), ScaleKind::kExact);
  kv_a_.wgrad_all(c.pool, w.left, w.right, c.grads);
  norm_rows_back(c, x, hidden, in_norm_, n, hidden, d_h, inv_.data(), dx, hidden);
}

template class Attention<float>;
template class Attention<double>;

}  // namespace fathom::train
