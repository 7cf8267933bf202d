// Rows of activations as products walk over them.
#pragma once

#include "kernels/avx512/vectors.h"
#include "kernels/ops.h"

namespace fathom::avx512 {
namespace {

struct Rows {
  const std::byte* data;
  int64_t row_stride;    // bytes
  int64_t block_stride;  // bytes
  const int32_t* index;  // or null
  const float* scales;   // or null
  int64_t scale_stride;
  int64_t count;

  int64_t row(int64_t i) const { return index ? index[i] : i; }
  const std::byte* at(int64_t i, int64_t block) const {
    return data + row(i) * row_stride + block * block_stride;
  }
  float scale(int64_t i, int64_t block) const {
    return scales ? scales[row(i) * scale_stride + block] : 1.0f;
  }
};

/// `floats`: the F32 form, else BF16; `quantized`: with the scales of w8a8.
inline Rows rows_of(const Activations& x, bool floats, bool quantized) {
  Rows rows{};
  if (floats) {
    rows.data = reinterpret_cast<const std::byte*>(x.f32.data);
    rows.row_stride = x.f32.stride * 4;
    rows.block_stride = kScaleBlock * 4;
  } else {
    rows.data = reinterpret_cast<const std::byte*>(x.bf16.data);
    rows.row_stride = kScaleBlock * 2;
    rows.block_stride = x.bf16.block_stride * 2;
  }
  if (quantized) {
    rows.scales = x.scales.data;
    rows.scale_stride = x.scales.stride;
  }
  rows.index = x.index.empty() ? nullptr : x.index.data();
  rows.count = x.rows();
  return rows;
}

inline __attribute__((always_inline)) __m512bh pair(const void* row, int64_t index) {
  return (__m512bh)_mm512_set1_epi32(static_cast<const int32_t*>(row)[index]);
}

}  // namespace

/// linear() of at most kStreamedRows rows, taken as BF16, with weights of FP8 or BF16 in panels.
void few_rows(const Activations& x, const WeightView& w, int64_t first, int64_t last, Mat<float> y);

}  // namespace fathom::avx512
