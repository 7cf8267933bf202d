#include "kernels/ref/int8.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "tensor/float_formats.h"

namespace fathom::ref {
namespace {

const uint8_t* block_of(const WeightView& w, int64_t row, int64_t block) {
  return static_cast<const uint8_t*>(w.data) +
         static_cast<size_t>(row / kPanelRows) * int8_panel_bytes(w.cols) +
         static_cast<size_t>(block * kInt8Block);
}

}  // namespace

int int8_code(const WeightView& w, int64_t row, int64_t col) {
  const int64_t in_block = col % kScaleBlock;
  const int64_t at = in_block / 4 * 4 * kPanelRows + row % kPanelRows * 4 + in_block % 4;
  return block_of(w, row, col / kScaleBlock)[at] - kInt8Offset;
}

float int8_scale(const WeightView& w, int64_t row, int64_t block) {
  uint16_t scale;
  std::memcpy(&scale, block_of(w, row, block) + kInt8Codes + row % kPanelRows * 2, sizeof scale);
  return bf16_to_f32(scale);
}

Int8Scale quantize_int8(std::span<const float> x, int8_t* codes) {
  std::fill_n(codes, kScaleBlock, int8_t{0});
  float top = 0;
  for (float v : x) {
    if (!std::isfinite(v)) return {std::numeric_limits<float>::quiet_NaN(), 0};
    top = std::max(top, std::abs(v));
  }
  if (top < kLeastInt8) return {0, 0};
  const float inverse = 127.0f / top;
  int32_t sum = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    codes[i] = static_cast<int8_t>(std::nearbyint(x[i] * inverse));
    sum += codes[i];
  }
  return {top / 127.0f, -kInt8Offset * sum};
}

void int8_linear(const Activations& x, const WeightView& w, int64_t first, int64_t last,
                 Mat<float> y) {
  FATHOM_CHECK(x.numerics == Numerics::kInt8 && w.layout == WeightLayout::kPanels);
  for (int64_t r = 0; r < x.rows(); ++r) {
    const int64_t row = x.index.empty() ? r : x.index[static_cast<size_t>(r)];
    for (int64_t n = first; n < last; ++n) {
      float total = 0;
      for (int64_t begin = 0; begin < w.cols; begin += kScaleBlock) {
        const int64_t block = begin / kScaleBlock, count = std::min(kScaleBlock, w.cols - begin);
        const int8_t* codes = x.int8.at(row, block);
        int32_t sum = 0;
        for (int64_t k = 0; k < count; ++k) sum += codes[k] * int8_code(w, n, begin + k);
        total = std::fma(static_cast<float>(sum) * int8_scale(w, n, block),
                         x.int8.scale(row, block).scale, total);
      }
      y.row(r)[n - first] = total;
    }
  }
}

}  // namespace fathom::ref
