// Multi-head latent attention as a residual branch: y = x + o_proj(attention(norm(x))).
#pragma once

#include <string>

#include "train/attention_core.h"
#include "train/linear.h"

namespace fathom::train {

/// What is recomputed: alive within one pass only, shared by the layers of a network.
template <typename T>
struct AttentionWork {
  Array<T> h, q_norm, kv_norm, q, kv, k_rope, out;
  Array<T> d_out, d_q, d_kv, d_rope_heads, d_q_norm, d_kv_norm, d_q_a, d_kv_a, d_h;
  Rows<T> rows;
  Pairs<T> left, right;
};

/// Keeps from the forward pass only what recomputation cannot give cheaply: the latents before
/// their norms, the log-sum-exps and, as E5M6 on power-of-two scales, the input of o_proj. Norms
/// and the up-projections are recomputed in the backward pass (technical report, 3.2.3 and 3.3.3).
template <typename T>
class Attention {
 public:
  using Work = AttentionWork<T>;
  Attention(const Context<T>& c, Work& work, const std::string& prefix);

  void load(const T* params);
  /// x and y [tokens, hidden].
  void forward(Context<T>& c, const T* x, T* y);
  /// dx holds the gradient of y and becomes that of x.
  void backward(Context<T>& c, const T* x, T* dx);

 private:
  void project(Context<T>& c);
  void keep_out(Context<T>& c, const T* out);
  const T* kept_out(Context<T>& c);
  void latent_back(Context<T>& c, Linear<T>& up, const T* d_up, const T* normed, T* d_normed);

  Work& work_;
  Linear<T> q_a_, q_b_, kv_a_, kv_b_, o_;
  int64_t in_norm_, q_norm_ = 0, kv_norm_;
  Array<T> inv_, q_inv_, kv_inv_, q_a_out_, kv_a_out_, lse_, out_;
  Array<uint16_t> out_e5m6_;
  Array<float> out_scale_;
};

extern template class Attention<float>;
extern template class Attention<double>;

}  // namespace fathom::train
