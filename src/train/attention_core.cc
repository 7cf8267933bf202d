#include "train/attention_core.h"

#include <algorithm>
#include <type_traits>

#include "train/attention_bf16.h"
#include "train/ops.h"

namespace fathom::train {
namespace {

/// One head of one sequence in plain loops.
template <typename T>
struct Head {
  Context<T>& c;
  const AttentionData<T>& d;
  int64_t b, h;
  int64_t heads = c.config.num_attention_heads;
  int64_t nope = c.config.qk_nope_head_dim, rope = c.config.qk_rope_head_dim;
  int64_t dv = c.config.v_head_dim;

  int64_t token(int64_t t) const { return b * c.seq + t; }
  int64_t at(int64_t t) const { return token(t) * heads + h; }
  const T* q(int64_t t) const { return d.q + at(t) * (nope + rope); }
  const T* k(int64_t t) const { return d.kv + at(t) * (nope + dv); }
  const T* v(int64_t t) const { return k(t) + nope; }
  int64_t start(int64_t t) const { return c.segment ? c.segment[token(t)] : 0; }

  /// Scores of query t against start .. t.
  void scores(int64_t t, T* s) const {
    for (int64_t j = start(t); j <= t; ++j) {
      s[j] = dot(q(t), k(j), nope) + dot(q(t) + nope, d.k_rope + token(j) * rope, rope);
    }
  }

  void forward(T* p) const {
    for (int64_t t = 0; t < c.seq; ++t) {
      const int64_t first = start(t);
      scores(t, p);
      softmax(p + first, t + 1 - first, c.softmax_scale, d.lse + (b * heads + h) * c.seq + t);
      T* out = d.out + at(t) * dv;
      std::fill_n(out, dv, T(0));
      for (int64_t j = first; j <= t; ++j) axpy(p[j], v(j), dv, out);
    }
  }

  void backward(T* p) const {
    for (int64_t t = 0; t < c.seq; ++t) {
      std::fill_n(d.d_q + at(t) * (nope + rope), nope + rope, T(0));
      std::fill_n(d.d_kv + at(t) * (nope + dv), nope + dv, T(0));
      std::fill_n(d.d_k_rope + at(t) * rope, rope, T(0));
    }
    for (int64_t t = 0; t < c.seq; ++t) {
      const int64_t first = start(t);
      scores(t, p);
      T lse;
      softmax(p + first, t + 1 - first, c.softmax_scale, &lse);
      const T* d_out = d.d_out + at(t) * dv;
      T mean = 0;
      for (int64_t j = first; j <= t; ++j) mean += p[j] * dot(d_out, v(j), dv);
      T* d_q = d.d_q + at(t) * (nope + rope);
      for (int64_t j = first; j <= t; ++j) {
        const T ds = p[j] * (dot(d_out, v(j), dv) - mean) * c.softmax_scale;
        T* d_kv = d.d_kv + at(j) * (nope + dv);
        axpy(ds, k(j), nope, d_q);
        axpy(ds, d.k_rope + token(j) * rope, rope, d_q + nope);
        axpy(ds, q(t), nope, d_kv);
        axpy(ds, q(t) + nope, rope, d.d_k_rope + at(j) * rope);
        axpy(p[j], d_out, dv, d_kv + nope);
      }
    }
  }
};

}  // namespace

template <typename T>
void attention_forward(Context<T>& c, const AttentionData<T>& d) {
  const int64_t heads = c.config.num_attention_heads;
  c.pool.run(c.batch * heads, [&](int64_t item, int thread) {
    const int64_t b = item / heads, h = item % heads;
    if constexpr (std::is_same_v<T, float>) {
      if (c.precision != Precision::kF32) return attention_head_forward(c, d, b, h, thread);
    }
    Head<T>{c, d, b, h}.forward(c.scratch[thread].get(0, c.seq));
  });
}

template <typename T>
void attention_backward(Context<T>& c, const AttentionData<T>& d) {
  const int64_t heads = c.config.num_attention_heads;
  c.pool.run(c.batch * heads, [&](int64_t item, int thread) {
    const int64_t b = item / heads, h = item % heads;
    if constexpr (std::is_same_v<T, float>) {
      if (c.precision != Precision::kF32) return attention_head_backward(c, d, b, h, thread);
    }
    Head<T>{c, d, b, h}.backward(c.scratch[thread].get(0, c.seq));
  });
}

template void attention_forward(Context<float>&, const AttentionData<float>&);
template void attention_forward(Context<double>&, const AttentionData<double>&);
template void attention_backward(Context<float>&, const AttentionData<float>&);
template void attention_backward(Context<double>&, const AttentionData<double>&);

}  // namespace fathom::train
