#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "train/moe.h"
#include "train/ops.h"

namespace fathom::train {
namespace {

constexpr int64_t kRowsPerItem = 64;

}  // namespace

template <typename T>
Gate<T>::Gate(const Context<T>& c, int64_t layer, int64_t moe_index)
    : offset_(c.layout.offset(layer_prefix(layer) + "mlp.gate.weight")), moe_index_(moe_index) {}

template <typename T>
void Gate<T>::choose(const Context<T>& c, const T* scores, int32_t* chosen, T* weights) const {
  const ModelConfig& m = c.config;
  const int64_t experts = m.n_routed_experts, per_group = experts / m.n_group;
  const float* bias = c.bias + moe_index_ * experts;
  constexpr T kNever = -std::numeric_limits<T>::infinity();
  std::vector<T> biased(static_cast<size_t>(experts)), group(static_cast<size_t>(m.n_group));
  for (int64_t e = 0; e < experts; ++e) biased[e] = scores[e] + static_cast<T>(bias[e]);
  for (int64_t g = 0; g < m.n_group; ++g) {
    T first = kNever, second = kNever;
    for (int64_t e = g * per_group; e < (g + 1) * per_group; ++e) {
      if (biased[e] > first) {
        second = std::exchange(first, biased[e]);
      } else if (biased[e] > second) {
        second = biased[e];
      }
    }
    group[g] = per_group > 1 ? first + second : first;
  }
  // The best groups, then the best experts in them; of equals the first wins.
  std::vector<bool> open(static_cast<size_t>(m.n_group), false);
  for (int64_t i = 0; i < m.topk_group; ++i) {
    const int64_t g = std::max_element(group.begin(), group.end()) - group.begin();
    open[g] = true;
    group[g] = kNever;
  }
  for (int64_t e = 0; e < experts; ++e) {
    if (!open[e / per_group]) biased[e] = kNever;
  }
  T sum = 0;
  for (int64_t k = 0; k < m.num_experts_per_tok; ++k) {
    const int64_t e = std::max_element(biased.begin(), biased.end()) - biased.begin();
    biased[e] = kNever;
    chosen[k] = static_cast<int32_t>(e);
    weights[k] = scores[e];
    sum += scores[e];
  }
  const T scale = static_cast<T>(m.routed_scaling_factor) / (m.norm_topk_prob ? sum : T(1));
  for (int64_t k = 0; k < m.num_experts_per_tok; ++k) weights[k] *= scale;
}

template <typename T>
void Gate<T>::forward(Context<T>& c, const T* h) {
  const ModelConfig& m = c.config;
  const int64_t n = c.tokens(), experts = m.n_routed_experts, k = m.num_experts_per_tok;
  scores_.resize(n * experts);
  weights_.resize(n * k);
  chosen_.resize(n * k);
  const T* w = c.params + offset_;
  c.pool.run(round_up(n, kRowsPerItem) / kRowsPerItem, [&](int64_t item, int) {
    for (int64_t i = item * kRowsPerItem; i < std::min(n, (item + 1) * kRowsPerItem); ++i) {
      T* s = scores_.data() + i * experts;
      for (int64_t e = 0; e < experts; ++e) {
        s[e] =
            1 / (1 + std::exp(-dot(h + i * m.hidden_size, w + e * m.hidden_size, m.hidden_size)));
      }
      choose(c, s, chosen_.data() + i * k, weights_.data() + i * k);
    }
  });
  if (c.load) {
    for (const int32_t e : chosen_) ++c.load[moe_index_ * experts + e];
  }
  balance(c);
}

/// L = alpha sum_i f_i P_i per sequence: f_i the share of expert i among the choices (times
/// experts), P_i its mean normalized affinity.
template <typename T>
void Gate<T>::balance(Context<T>& c) {
  const ModelConfig& m = c.config;
  const int64_t experts = m.n_routed_experts, k = m.num_experts_per_tok;
  balance_.assign(c.batch * experts, T(0));
  balance_loss_ = 0;
  if (c.balance_scale == 0) return;
  const double unit = static_cast<double>(experts) / static_cast<double>(k * c.seq);
  std::vector<double> f(static_cast<size_t>(experts)), p(static_cast<size_t>(experts));
  for (int64_t b = 0; b < c.batch; ++b) {
    std::fill(f.begin(), f.end(), 0.0);
    std::fill(p.begin(), p.end(), 0.0);
    for (int64_t i = b * c.seq; i < (b + 1) * c.seq; ++i) {
      for (int64_t j = 0; j < k; ++j) f[chosen_[i * k + j]] += unit;
      const T* s = scores_.data() + i * experts;
      double sum = 0;
      for (int64_t e = 0; e < experts; ++e) sum += s[e];
      for (int64_t e = 0; e < experts; ++e) p[e] += s[e] / sum;
    }
    for (int64_t e = 0; e < experts; ++e) {
      balance_loss_ += c.balance_scale * f[e] * p[e] / static_cast<double>(c.seq);
      balance_[b * experts + e] =
          static_cast<T>(c.balance_scale * f[e] / static_cast<double>(c.seq));
    }
  }
}

template <typename T>
void Gate<T>::backward(Context<T>& c, const T* h, const T* d_weights, T* d_h) {
  const ModelConfig& m = c.config;
  const int64_t n = c.tokens(), experts = m.n_routed_experts, k = m.num_experts_per_tok;
  const int64_t hidden = m.hidden_size, items = round_up(n, kRowsPerItem) / kRowsPerItem;
  const T* w = c.params + offset_;
  std::vector<T> d_logits(static_cast<size_t>(n * experts), T(0));
  c.pool.run(items, [&](int64_t item, int) {
    for (int64_t i = item * kRowsPerItem; i < std::min(n, (item + 1) * kRowsPerItem); ++i) {
      const T* s = scores_.data() + i * experts;
      const T* coefficient = balance_.data() + i / c.seq * experts;
      T* d = d_logits.data() + i * experts;
      // The balance loss, through s / sum(s).
      T sum = 0, mean = 0;
      for (int64_t e = 0; e < experts; ++e) sum += s[e];
      for (int64_t e = 0; e < experts; ++e) mean += coefficient[e] * s[e] / sum;
      for (int64_t e = 0; e < experts; ++e) d[e] = (coefficient[e] - mean) / sum;
      // The weights, scale * s / sum of the chosen.
      T chosen_sum = m.norm_topk_prob ? T(0) : T(1), weighted = 0;
      for (int64_t j = 0; j < k; ++j) {
        const T score = s[chosen_[i * k + j]];
        if (m.norm_topk_prob) chosen_sum += score;
        weighted += d_weights[i * k + j] * score;
      }
      const T scale = static_cast<T>(m.routed_scaling_factor) / chosen_sum;
      for (int64_t j = 0; j < k; ++j) {
        const T shared = m.norm_topk_prob ? weighted / chosen_sum : T(0);
        d[chosen_[i * k + j]] += scale * (d_weights[i * k + j] - shared);
      }
      for (int64_t e = 0; e < experts; ++e) {
        d[e] *= s[e] * (1 - s[e]);
        axpy(d[e], w + e * hidden, hidden, d_h + i * hidden);
      }
    }
  });
  c.pool.run(experts, [&](int64_t e, int) {
    T* dw = c.grads + offset_ + e * hidden;
    for (int64_t i = 0; i < n; ++i) axpy(d_logits[i * experts + e], h + i * hidden, hidden, dw);
  });
}

template class Gate<float>;
template class Gate<double>;

}  // namespace fathom::train
