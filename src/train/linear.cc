#include "train/linear.h"

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include "tensor/float_formats.h"

namespace fathom::train {
namespace {

constexpr int64_t kBlock = 128;
constexpr int64_t kRowsPerItem = 96;  // a multiple of the kernels' six rows

int64_t blocks(int64_t n) { return round_up(n, kBlock) / kBlock; }

/// Pairs layout with K along the columns of w [rows, cols]: a transposition of 32-bit words.
void pack_columns(const std::vector<uint16_t>& w, int64_t rows, int64_t cols, uint32_t* out) {
  const int64_t pairs = (cols + 1) / 2;
  for (int64_t r = 0; r < rows; ++r) {
    uint32_t* panel = out + r / kPanel * pairs * kPanel + r % kPanel;
    const uint16_t* row = w.data() + r * cols;
    for (int64_t k = 0; k < cols / 2; ++k) {
      panel[k * kPanel] = row[2 * k] | static_cast<uint32_t>(row[2 * k + 1]) << 16;
    }
    if (cols & 1) panel[(pairs - 1) * kPanel] = row[cols - 1];
  }
}

/// Pairs layout with K along the rows.
void pack_rows(const std::vector<uint16_t>& w, int64_t rows, int64_t cols, uint32_t* out) {
  const int64_t pairs = (rows + 1) / 2;
  for (int64_t k = 0; k < pairs; ++k) {
    const uint16_t* even = w.data() + 2 * k * cols;
    const uint16_t* odd = 2 * k + 1 < rows ? even + cols : nullptr;
    for (int64_t j = 0; j < cols; ++j) {
      out[j / kPanel * pairs * kPanel + k * kPanel + j % kPanel] =
          even[j] | (odd ? static_cast<uint32_t>(odd[j]) << 16 : 0u);
    }
  }
}

/// The scales [out blocks, in blocks] spread over the columns of a pairs layout: [panel, K block,
/// 64].
void spread_scales(const std::vector<float>& scale, int64_t rows, int64_t k, bool transposed,
                   Buffer& out) {
  const int64_t panels = round_up(rows, kPanel) / kPanel;
  const int64_t k_blocks = blocks(k);
  ensure(out, panels * k_blocks * kPanel * 4);
  float* to = out.as<float>();
  for (int64_t panel = 0; panel < panels; ++panel) {
    for (int64_t b = 0; b < k_blocks; ++b) {
      const int64_t block = panel * kPanel / kBlock;
      const float s = transposed ? scale[b * blocks(rows) + block] : scale[block * k_blocks + b];
      std::fill_n(to, kPanel, s);
      to += kPanel;
    }
  }
}

Side packed_side(const Buffer& words, const Buffer& scale, int64_t k, Format format) {
  Side s;
  s.data = words.as<uint32_t>();
  s.row_stride = 1;
  s.k_stride = kPanel;
  s.panel_stride = (k + 1) / 2 * kPanel;
  s.scale = format == Format::kFP8 ? scale.as<float>() : nullptr;
  s.scale_row = 1;
  s.scale_k = kPanel;
  s.scale_panel = blocks(k) * kPanel;
  return s;
}

/// y[i, o] (+)= sum over k of x[i, k] w[o * w_row + k * w_col].
template <typename T>
void dense_product(const Dense<T>& x, int64_t first, int64_t count, const T* w, int64_t outs,
                   int64_t w_row, int64_t w_col, T* y, int64_t ldy, bool add) {
  for (int64_t i = first; i < first + count; ++i) {
    const T* row = x.row(i);
    T* to = y + (i - first) * ldy;
    if (!add) std::fill_n(to, outs, T(0));
    if (!row) continue;
    if (w_col == 1) {
      for (int64_t o = 0; o < outs; ++o) {
        const T* weight = w + o * w_row;
        T sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t k = 0; k < x.cols; ++k) sum += row[k] * weight[k];
        to[o] += sum;
      }
    } else {
      for (int64_t k = 0; k < x.cols; ++k) {
        const T* weight = w + k * w_col;
#pragma omp simd
        for (int64_t o = 0; o < outs; ++o) to[o] += row[k] * weight[o];
      }
    }
  }
}

}  // namespace

void quantize_weight(const float* w, int64_t out, int64_t in, uint8_t* codes, float* scale) {
  for (int64_t r0 = 0; r0 < out; r0 += kBlock) {
    for (int64_t c0 = 0; c0 < in; c0 += kBlock) {
      const int64_t r1 = std::min(out, r0 + kBlock), c1 = std::min(in, c0 + kBlock);
      float amax = 1e-30f;
      for (int64_t r = r0; r < r1; ++r) {
        for (int64_t c = c0; c < c1; ++c) amax = std::max(amax, std::fabs(w[r * in + c]));
      }
      const float tile = amax / 448.0f;
      const float inverse = 1.0f / tile;
      scale[r0 / kBlock * blocks(in) + c0 / kBlock] = tile;
      for (int64_t r = r0; r < r1; ++r) {
        for (int64_t c = c0; c < c1; ++c) codes[r * in + c] = f32_to_e4m3(w[r * in + c] * inverse);
      }
    }
  }
}

template <typename T>
void Linear<T>::load(const T* params) {
  dense_ = params + offset_;
  if constexpr (std::is_same_v<T, float>) {
    if (format_ != Format::kDense) pack(dense_);
  }
}

template <typename T>
void Linear<T>::pack(const float* w) {
  std::vector<uint16_t> values(static_cast<size_t>(out_ * in_));
  if (format_ == Format::kFP8) {
    std::vector<uint8_t> codes(values.size());
    std::vector<float> scale(static_cast<size_t>(blocks(out_) * blocks(in_)));
    quantize_weight(w, out_, in_, codes.data(), scale.data());
    uint16_t widened[256];
    for (int c = 0; c < 256; ++c) widened[c] = f32_to_bf16(e4m3_to_f32(static_cast<uint8_t>(c)));
    for (size_t i = 0; i < values.size(); ++i) values[i] = widened[codes[i]];
    spread_scales(scale, out_, in_, false, fprop_scale_);
    spread_scales(scale, in_, out_, true, dgrad_scale_);
  } else {
    for (size_t i = 0; i < values.size(); ++i) values[i] = f32_to_bf16(w[i]);
  }
  ensure(fprop_, round_up(out_, kPanel) * ((in_ + 1) / 2) * 4);
  ensure(dgrad_, round_up(in_, kPanel) * ((out_ + 1) / 2) * 4);
  pack_columns(values, out_, in_, fprop_.as<uint32_t>());
  pack_rows(values, out_, in_, dgrad_.as<uint32_t>());
}

template <typename T>
void Linear<T>::forward(const Rows<T>& x, int64_t first, int64_t count, T* y, int64_t ldy) const {
  if constexpr (std::is_same_v<T, float>) {
    if (format_ != Format::kDense) {
      Product p;
      p.a = x.side();
      p.b = packed_side(fprop_, fprop_scale_, in_, format_);
      p.c = y;
      p.ldc = ldy;
      p.row0 = first;
      p.row1 = first + count;
      p.panel1 = round_up(out_, kPanel) / kPanel;
      p.cols = out_;
      p.pairs = (in_ + 1) / 2;
      p.round_bf16 = true;
      table().product(p);
      return;
    }
  }
  dense_product(x.dense, first, count, dense_, out_, in_, 1, y, ldy, false);
}

template <typename T>
void Linear<T>::dgrad(const Rows<T>& dy, int64_t first, int64_t count, T* dx, int64_t ldx,
                      bool add) const {
  if constexpr (std::is_same_v<T, float>) {
    if (format_ != Format::kDense) {
      Product p;
      p.a = dy.side();
      p.b = packed_side(dgrad_, dgrad_scale_, out_, format_);
      p.c = dx;
      p.ldc = ldx;
      p.row0 = first;
      p.row1 = first + count;
      p.panel1 = round_up(in_, kPanel) / kPanel;
      p.cols = in_;
      p.pairs = (out_ + 1) / 2;
      p.accumulate = add;
      p.round_bf16 = !add;
      table().product(p);
      return;
    }
  }
  dense_product(dy.dense, first, count, dense_, in_, int64_t{1}, in_, dx, ldx, add);
}

template <typename T>
void Linear<T>::wgrad(const Pairs<T>& dy, const Pairs<T>& x, int64_t tile, int64_t rows,
                      int64_t out0, int64_t out1, T* grads) const {
  T* dw = grads + offset_;
  if constexpr (std::is_same_v<T, float>) {
    if (format_ != Format::kDense) {
      Product p;
      p.a = dy.side(tile);
      p.b = x.side(tile);
      p.c = dw + out0 * in_;
      p.ldc = in_;
      p.row0 = out0;
      p.row1 = out1;
      p.panel1 = round_up(in_, kPanel) / kPanel;
      p.cols = in_;
      p.pairs = round_up(rows, kTileRows) / 2;
      p.accumulate = true;
      table().product(p);
      return;
    }
  }
  for (int64_t i = tile * kTileRows; i < tile * kTileRows + rows; ++i) {
    const T* left = dy.dense.row(i);
    const T* right = x.dense.row(i);
    if (!left || !right) continue;
    for (int64_t o = out0; o < out1; ++o) {
      T* to = dw + o * in_;
      const T scale = left[o];
#pragma omp simd
      for (int64_t k = 0; k < in_; ++k) to[k] += scale * right[k];
    }
  }
}

template <typename T>
void Linear<T>::forward_all(ThreadPool& pool, const Rows<T>& x, T* y, int64_t ldy) const {
  const int64_t rows = x.dense.rows;
  pool.run(round_up(rows, kRowsPerItem) / kRowsPerItem, [&](int64_t item, int) {
    const int64_t first = item * kRowsPerItem;
    forward(x, first, std::min(kRowsPerItem, rows - first), y + first * ldy, ldy);
  });
}

template <typename T>
void Linear<T>::dgrad_all(ThreadPool& pool, const Rows<T>& dy, T* dx, int64_t ldx, bool add) const {
  const int64_t rows = dy.dense.rows;
  pool.run(round_up(rows, kRowsPerItem) / kRowsPerItem, [&](int64_t item, int) {
    const int64_t first = item * kRowsPerItem;
    dgrad(dy, first, std::min(kRowsPerItem, rows - first), dx + first * ldx, ldx, add);
  });
}

template <typename T>
void Linear<T>::wgrad_all(ThreadPool& pool, const Pairs<T>& dy, const Pairs<T>& x, T* grads) const {
  constexpr int64_t kOutPerItem = 48;
  pool.run(round_up(out_, kOutPerItem) / kOutPerItem, [&](int64_t item, int) {
    const int64_t first = item * kOutPerItem;
    wgrad(dy, x, 0, x.dense.rows, first, std::min(out_, first + kOutPerItem), grads);
  });
}

template class Linear<float>;
template class Linear<double>;

}  // namespace fathom::train
