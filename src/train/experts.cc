#include "train/experts.h"

#include <algorithm>
#include <type_traits>

#include "train/ops.h"

namespace fathom::train {

void Slots::assign(const std::vector<std::vector<int32_t>>& token_of) {
  first.assign(1, 0);
  count.clear();
  token.clear();
  blocks.clear();
  for (const std::vector<int32_t>& tokens : token_of) {
    const int64_t begin = first.back(), n = static_cast<int64_t>(tokens.size());
    token.insert(token.end(), tokens.begin(), tokens.end());
    first.push_back(begin + round_up(n, kTileRows));
    token.resize(static_cast<size_t>(first.back()), -1);
    for (int64_t at = 0; at < n; at += kTileRows) {
      blocks.push_back(
          {static_cast<int64_t>(count.size()), begin + at, std::min(kTileRows, n - at)});
    }
    count.push_back(n);
  }
}

void Slots::assign_all(int64_t rows) {
  std::vector<std::vector<int32_t>> all(1, std::vector<int32_t>(static_cast<size_t>(rows)));
  for (int64_t i = 0; i < rows; ++i) all[0][i] = static_cast<int32_t>(i);
  assign(all);
}

template <typename T>
Experts<T>::Experts(const Context<T>& c, Work& work, const std::vector<std::string>& prefixes,
                    int64_t width, bool divided)
    : work_(work), width_(width), divided_(divided) {
  const int64_t hidden = c.config.hidden_size;
  for (const std::string& p : prefixes) {
    const auto linear = [&](const char* name, int64_t out, int64_t in) {
      return Linear<T>(out, in, c.layout.offset(p + name + ".weight"), c.trunk());
    };
    mlps_.push_back({linear("gate_proj", width, hidden), linear("up_proj", width, hidden),
                     linear("down_proj", hidden, width)});
  }
}

template <typename T>
void Experts<T>::load(const T* params) {
  for (Mlp& mlp : mlps_) {
    for (Linear<T>* linear : {&mlp.gate, &mlp.up, &mlp.down}) linear->load(params);
  }
}

template <typename T>
void Experts<T>::forward(Context<T>& c, const Slots& slots, const Rows<T>& x, T* out) {
  const int64_t n = slots.size(), hidden = c.config.hidden_size;
  const int64_t tiles = round_up(width_, 128) / 128;
  Work& w = work_;
  w.threads.resize(static_cast<size_t>(c.pool.threads()));
  w.in.shape({x.dense.x, x.dense.ld, slots.token.data(), n, hidden}, x.format);
  T* gate = c.fp8() ? nullptr : gate_.resize(n * width_);
  T* up = c.fp8() ? nullptr : up_.resize(n * width_);
  if (c.fp8()) {
    for (Array<uint8_t>* codes : {&gate_codes_, &up_codes_}) codes->resize(n * width_);
    for (Array<float>* scale : {&gate_scale_, &up_scale_}) scale->resize(n * tiles);
  }
  c.pool.run(static_cast<int64_t>(slots.blocks.size()), [&](int64_t item, int thread) {
    const Slots::Block& b = slots.blocks[item];
    const Mlp& mlp = mlp_of(b.expert);
    w.in.gather(x, b.first, b.count);
    Scratch<T>& scratch = c.scratch[thread];
    T* g = gate ? gate + b.first * width_ : scratch.get(0, kTileRows * width_);
    T* u = up ? up + b.first * width_ : scratch.get(1, kTileRows * width_);
    mlp.gate.forward(w.in, b.first, b.count, g, width_);
    mlp.up.forward(w.in, b.first, b.count, u, width_);
    T* act = scratch.get(2, kTileRows * width_);
    swiglu(g, u, b.count * width_, act);
    Rows<T>& rows = w.threads[thread].act;
    if (c.fp8()) {
      rows.shape({g, width_, nullptr, b.count, width_}, Format::kFP8);
      rows.fill(0, b.count, ScaleKind::kExact, gate_codes_.data() + b.first * width_);
      std::copy_n(rows.scale.template as<float>(), b.count * tiles,
                  gate_scale_.data() + b.first * tiles);
      rows.shape({u, width_, nullptr, b.count, width_}, Format::kFP8);
      rows.fill(0, b.count, ScaleKind::kExact, up_codes_.data() + b.first * width_);
      std::copy_n(rows.scale.template as<float>(), b.count * tiles,
                  up_scale_.data() + b.first * tiles);
    }
    rows.shape({act, width_, nullptr, b.count, width_}, mlp.down.format());
    rows.fill(0, b.count, ScaleKind::kExact);
    mlp.down.forward(rows, 0, b.count, out + b.first * hidden, hidden);
  });
}

template <typename T>
void Experts<T>::backward_block(Context<T>& c, Work& w, const Slots& slots, const Slots::Block& b,
                                const Dense<T>& h, const T* weight, T* d_weight, T* d_in,
                                int thread) {
  const Mlp& mlp = mlp_of(b.expert);
  const int64_t n = b.count, hidden = c.config.hidden_size, at = b.first * width_;
  const int64_t tile = b.first / kTileRows;
  typename Work::Thread& rows = w.threads[thread];
  Scratch<T>& scratch = c.scratch[thread];
  const T* g = gate_.data() + at;
  const T* u = up_.data() + at;
  if constexpr (std::is_same_v<T, float>) {
    if (c.fp8()) {
      const int64_t tiles = round_up(width_, 128) / 128;
      float* decoded[2] = {scratch.get(0, kTileRows * width_), scratch.get(1, kTileRows * width_)};
      table().unpack_fp8(gate_codes_.data() + at, gate_scale_.data() + b.first * tiles, tiles, n,
                         width_, decoded[0]);
      table().unpack_fp8(up_codes_.data() + at, up_scale_.data() + b.first * tiles, tiles, n,
                         width_, decoded[1]);
      g = decoded[0];
      u = decoded[1];
    }
  }
  // d_act for weight 1, so that the gate's gradient is its product with act.
  T* d_act = scratch.get(2, kTileRows * width_);
  mlp.down.dgrad(w.in, b.first, n, d_act, width_, false);
  T* act = w.act_dense.data() + at;
  T* d_gate = w.d_gate_dense.data() + at;
  T* d_up = w.d_up_dense.data() + at;
  swiglu_back(g, u, d_act, n * width_, act, d_gate, d_up);
  for (int64_t i = 0; i < n && weight; ++i) {
    d_weight[b.first + i] = dot(act + i * width_, d_act + i * width_, width_);
    const T scale = weight[b.first + i];
    for (T* x : {act, d_gate, d_up}) {
      for (int64_t j = 0; j < width_; ++j) x[i * width_ + j] *= scale;
    }
  }
  const auto dense = [&](const T* x) { return Dense<T>{x, width_, nullptr, n, width_}; };
  const Dense<T> tokens{h.x, h.ld, slots.token.data() + b.first, n, hidden};
  const Dense<T> d_tokens{w.d_out.dense.x, w.d_out.dense.ld, slots.token.data() + b.first, n,
                          hidden};
  w.act.fill(tile, dense(act), ScaleKind::kExact);
  w.d_gate.fill(tile, dense(d_gate), ScaleKind::kExact);
  w.d_up.fill(tile, dense(d_up), ScaleKind::kExact);
  w.hidden.fill(tile, tokens, ScaleKind::kExact);
  w.d_out.fill(tile, d_tokens, ScaleKind::kExact);
  rows.d_gate.shape(dense(d_gate), mlp.gate.format());
  rows.d_gate.fill(0, n, ScaleKind::kExact);
  rows.d_up.shape(dense(d_up), mlp.up.format());
  rows.d_up.fill(0, n, ScaleKind::kExact);
  mlp.gate.dgrad(rows.d_gate, 0, n, d_in + b.first * hidden, hidden, false);
  mlp.up.dgrad(rows.d_up, 0, n, d_in + b.first * hidden, hidden, true);
}

template <typename T>
void Experts<T>::backward(Context<T>& c, const Slots& slots, const Dense<T>& h, const Rows<T>& dy,
                          const T* weight, T* d_weight, T* d_in) {
  const int64_t n = slots.size(), hidden = c.config.hidden_size;
  const Format format = c.trunk();
  Work& w = work_;
  w.threads.resize(static_cast<size_t>(c.pool.threads()));
  w.in.shape({dy.dense.x, dy.dense.ld, slots.token.data(), n, hidden}, format);
  w.d_out.shape({dy.dense.x, dy.dense.ld, slots.token.data(), n, hidden}, format);
  w.hidden.shape({h.x, h.ld, slots.token.data(), n, hidden}, format);
  const auto shape = [&](Pairs<T>& pairs, Array<T>& dense) {
    pairs.shape({dense.resize(n * width_), width_, nullptr, n, width_}, format);
  };
  shape(w.act, w.act_dense);
  shape(w.d_gate, w.d_gate_dense);
  shape(w.d_up, w.d_up_dense);
  c.pool.run(static_cast<int64_t>(slots.blocks.size()), [&](int64_t item, int thread) {
    w.in.gather(dy, slots.blocks[item].first, slots.blocks[item].count);
    backward_block(c, w, slots, slots.blocks[item], h, weight, d_weight, d_in, thread);
  });

  // Weight gradients: a few output rows of one matrix an item.
  constexpr int64_t kOut = 96;
  const int64_t narrow = round_up(width_, kOut) / kOut, tall = round_up(hidden, kOut) / kOut;
  const int64_t per_expert = 2 * narrow + tall;
  c.pool.run(per_expert * static_cast<int64_t>(slots.count.size()), [&](int64_t item, int) {
    const int64_t e = item / per_expert;
    int64_t part = item % per_expert;
    const int64_t tile = slots.first[e] / kTileRows, rows = slots.count[e];
    if (rows == 0) return;
    const Mlp& mlp = mlp_of(e);
    T* grads = divided_ ? c.source_grads[e / static_cast<int64_t>(mlps_.size())] : c.grads;
    if (part < tall) {
      mlp.down.wgrad(w.d_out, w.act, tile, rows, part * kOut, std::min(hidden, (part + 1) * kOut),
                     grads);
      return;
    }
    part -= tall;
    const bool is_gate = part < narrow;
    if (!is_gate) part -= narrow;
    (is_gate ? mlp.gate : mlp.up)
        .wgrad(is_gate ? w.d_gate : w.d_up, w.hidden, tile, rows, part * kOut,
               std::min(width_, (part + 1) * kOut), grads);
  });
}

template class Experts<float>;
template class Experts<double>;

}  // namespace fathom::train
