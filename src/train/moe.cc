#include "train/moe.h"

#include <fmt/core.h>

#include <algorithm>

#include "train/ops.h"

namespace fathom::train {
namespace {

constexpr int64_t kRowsPerItem = 64;

}  // namespace

template <typename T>
FeedForward<T>::FeedForward(const Context<T>& c, ExpertsWork<T>& work, int64_t layer) {
  const ModelConfig& m = c.config;
  const std::string p = layer_prefix(layer);
  norm_ = c.layout.offset(p + "post_attention_layernorm.weight");
  if (!m.is_moe_layer(layer)) {
    always_.emplace_back(c, work, std::vector<std::string>{p + "mlp."}, m.intermediate_size);
    return;
  }
  const auto& layers = c.layout.moe_layers;
  gate_.emplace_back(c, layer, std::find(layers.begin(), layers.end(), layer) - layers.begin());
  std::vector<std::string> names;
  for (int64_t e = 0; e < c.layout.experts; ++e)
    names.push_back(fmt::format("{}mlp.experts.{}.", p, c.layout.first_expert + e));
  routed_.emplace_back(c, work, names, m.moe_intermediate_size, c.expert_ranks != nullptr);
  if (m.n_shared_experts > 0) {
    always_.emplace_back(c, work, std::vector<std::string>{p + "mlp.shared_experts."},
                         m.n_shared_experts * m.moe_intermediate_size);
  }
}

template <typename T>
void FeedForward<T>::load(const T* params) {
  for (Experts<T>& group : routed_) group.load(params);
  for (Experts<T>& group : always_) group.load(params);
}

/// Sorts the tokens by expert. No token is dropped.
template <typename T>
void FeedForward<T>::dispatch(const Context<T>& c) {
  const int64_t n = c.tokens(), k = c.config.num_experts_per_tok;
  const std::vector<int32_t>& chosen = gate_[0].chosen();
  std::vector<std::vector<int32_t>> token_of(static_cast<size_t>(c.config.n_routed_experts));
  std::vector<int32_t> place(static_cast<size_t>(n * k));
  for (int64_t i = 0; i < n * k; ++i) {
    std::vector<int32_t>& tokens = token_of[chosen[i]];
    place[i] = static_cast<int32_t>(tokens.size());
    tokens.push_back(static_cast<int32_t>(i / k));
  }
  std::vector<int64_t> first(1, 0);
  if (c.expert_ranks) {
    exchange_.plan(c, token_of);
    for (const auto& tokens : token_of) {
      first.push_back(first.back() + static_cast<int64_t>(tokens.size()));
    }
  } else {
    slots_.assign(token_of);
    first = slots_.first;
  }
  slot_of_.resize(n * k);
  slot_weight_.assign(first.back(), T(0));
  for (int64_t i = 0; i < n * k; ++i) {
    slot_of_[i] = static_cast<int32_t>(first[chosen[i]]) + place[i];
    slot_weight_[slot_of_[i]] = gate_[0].weights()[i];
  }
}

template <typename T>
void FeedForward<T>::forward_routed(Context<T>& c, const T* h) {
  const int64_t hidden = c.config.hidden_size;
  if (!c.expert_ranks) {
    routed_[0].forward(c, slots_, rows_, out_.resize(slots_.size() * hidden));
    routed_out_ = out_.data();
    return;
  }
  const T* came = exchange_.bring_rows(c, h, hidden, came_h_);
  came_rows_.assign(c.pool, {came, hidden, nullptr, exchange_.arrived(), hidden}, c.trunk(),
                    ScaleKind::kPow2);
  const Slots& slots = exchange_.slots();
  routed_[0].forward(c, slots, came_rows_, out_.resize(slots.size() * hidden));
  routed_out_ = exchange_.give_back(c, out_.data(), hidden, returned_);
}

/// h and dy as in `backward`; dy is also in rows_.
template <typename T>
void FeedForward<T>::backward_routed(Context<T>& c, const T* h, const T* dy) {
  const int64_t hidden = c.config.hidden_size;
  const Slots& slots = c.expert_ranks ? exchange_.slots() : slots_;
  T* d_in = out_.resize(slots.size() * hidden);
  T* d_weight = d_weight_.resize(slots.size());
  if (!c.expert_ranks) {
    routed_[0].backward(c, slots, {h, hidden, nullptr, c.tokens(), hidden}, rows_,
                        slot_weight_.data(), d_weight, d_in);
    routed_out_ = d_in;
    routed_d_weight_ = d_weight;
    return;
  }
  const int64_t n = exchange_.arrived();
  const T* came_h = exchange_.bring_rows(c, h, hidden, came_h_);
  const T* came_dy = exchange_.bring_rows(c, dy, hidden, came_dy_);
  const T* weight = exchange_.bring_numbers(c, slot_weight_.data(), came_weight_);
  came_rows_.assign(c.pool, {came_dy, hidden, nullptr, n, hidden}, c.trunk(), ScaleKind::kPow2);
  routed_[0].backward(c, slots, {came_h, hidden, nullptr, n, hidden}, came_rows_, weight, d_weight,
                      d_in);
  routed_out_ = exchange_.give_back(c, d_in, hidden, returned_);
  routed_d_weight_ = exchange_.give_back(c, d_weight, 1, returned_weight_);
}

template <typename T>
void FeedForward<T>::forward(Context<T>& c, const T* x, T* y) {
  const int64_t n = c.tokens(), hidden = c.config.hidden_size, k = c.config.num_experts_per_tok;
  T* h = h_.resize(n * hidden);
  norm_rows(c, x, hidden, norm_, n, hidden, h, inv_.resize(n));
  const bool routed = !gate_.empty(), always = !always_.empty();
  rows_.assign(c.pool, {h, hidden, nullptr, n, hidden}, c.trunk(),
               routed ? ScaleKind::kPow2 : ScaleKind::kExact);
  const T* always_out = nullptr;
  if (routed) {
    gate_[0].forward(c, h);
    dispatch(c);
    forward_routed(c, h);
  }
  if (always) {
    if (all_.count.empty() || all_.count[0] != n) all_.assign_all(n);
    always_out = always_out_.resize(all_.size() * hidden);
    always_[0].forward(c, all_, rows_, always_out_.data());
  }
  c.pool.run(round_up(n, kRowsPerItem) / kRowsPerItem, [&](int64_t item, int) {
    for (int64_t i = item * kRowsPerItem; i < std::min(n, (item + 1) * kRowsPerItem); ++i) {
      T* row = y + i * hidden;
      std::copy_n(x + i * hidden, hidden, row);
      if (always) axpy(T(1), always_out + i * hidden, hidden, row);
      for (int64_t j = 0; j < k && routed; ++j) {
        axpy(gate_[0].weights()[i * k + j], routed_out_ + slot_of_[i * k + j] * hidden, hidden,
             row);
      }
    }
  });
}

template <typename T>
void FeedForward<T>::backward(Context<T>& c, const T* x, T* dx) {
  const int64_t n = c.tokens(), hidden = c.config.hidden_size, k = c.config.num_experts_per_tok;
  const bool routed = !gate_.empty(), always = !always_.empty();
  T* h = h_.resize(n * hidden);
  norm_rows(c, x, hidden, norm_, n, hidden, h, inv_.data());
  const Dense<T> h_rows{h, hidden, nullptr, n, hidden};
  rows_.assign(c.pool, {dx, hidden, nullptr, n, hidden}, c.trunk(),
               routed ? ScaleKind::kPow2 : ScaleKind::kExact);
  T* d_h = d_h_.resize(n * hidden);
  std::fill_n(d_h, n * hidden, T(0));
  if (routed) {
    backward_routed(c, h, dx);
    d_weights_.resize(n * k);
    c.pool.run(round_up(n, kRowsPerItem) / kRowsPerItem, [&](int64_t item, int) {
      for (int64_t i = item * kRowsPerItem; i < std::min(n, (item + 1) * kRowsPerItem); ++i) {
        for (int64_t j = 0; j < k; ++j) {
          axpy(T(1), routed_out_ + slot_of_[i * k + j] * hidden, hidden, d_h + i * hidden);
          d_weights_[i * k + j] = routed_d_weight_[slot_of_[i * k + j]];
        }
      }
    });
    gate_[0].backward(c, h, d_weights_.data(), d_h);
  }
  if (always) {
    T* d_in = always_out_.resize(all_.size() * hidden);
    always_[0].backward(c, all_, h_rows, rows_, nullptr, nullptr, d_in);
    c.pool.run(round_up(n, kRowsPerItem) / kRowsPerItem, [&](int64_t item, int) {
      for (int64_t i = item * kRowsPerItem; i < std::min(n, (item + 1) * kRowsPerItem); ++i) {
        axpy(T(1), d_in + i * hidden, hidden, d_h + i * hidden);
      }
    });
  }
  norm_rows_back(c, x, hidden, norm_, n, hidden, d_h, inv_.data(), dx, hidden);
}

template class FeedForward<float>;
template class FeedForward<double>;

}  // namespace fathom::train
