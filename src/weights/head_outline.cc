#include "weights/head_outline.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "base/check.h"
#include "kernels/int8.h"
#include "tensor/float_formats.h"

namespace fathom {
namespace {

// A float of it is not below it.
float rounded_up(double x) { return static_cast<float>(x * (1 + 0x1p-22)); }

float value_at(const WeightView& w, int64_t at) {
  return w.dtype == DType::kBF16 ? bf16_to_f32(static_cast<const uint16_t*>(w.data)[at])
                                 : static_cast<const float*>(w.data)[at];
}

}  // namespace

size_t outline_bytes(const WeightView& head) {
  return int8_packed_bytes(head.rows, head.cols) +
         static_cast<size_t>(ceil_div(2 * head.rows, 16) * 16) * sizeof(float);
}

OutlineBuilder::OutlineBuilder(const WeightView& head, std::byte* to)
    : head_(head),
      panels_(to),
      norm_(reinterpret_cast<float*>(to + int8_packed_bytes(head.rows, head.cols)),
            static_cast<size_t>(head.rows)),
      lost_(norm_.data() + head.rows, static_cast<size_t>(head.rows)) {
  FATHOM_CHECK(head.dtype == DType::kBF16 || head.dtype == DType::kF32);
}

void OutlineBuilder::add_panel(int64_t panel) {
  std::byte* const out = panels_ + static_cast<size_t>(panel) * int8_panel_bytes(head_.cols);
  pack_int8_panel(head_, panel, out);
  const int64_t first = panel * kPanelRows, count = std::min(kPanelRows, head_.rows - first);
  for (int64_t row = 0; row < count; ++row) {
    double norm = 0, lost = 0;
    for (int64_t begin = 0; begin < head_.cols; begin += kScaleBlock) {
      const auto* block = reinterpret_cast<const uint8_t*>(out) + begin / kScaleBlock * kInt8Block;
      const float scale = bf16_to_f32(reinterpret_cast<const uint16_t*>(block + kInt8Codes)[row]);
      const int64_t columns = std::min(kScaleBlock, head_.cols - begin);
      for (int64_t i = 0; i < columns; ++i) {
        const int code = block[i / 4 * 4 * kPanelRows + row * 4 + i % 4] - kInt8Offset;
        const double rounded = code * double{scale};
        const double less = value_at(head_, (first + row) * head_.cols + begin + i) - rounded;
        norm += rounded * rounded;
        lost += less * less;
      }
    }
    norm_[static_cast<size_t>(first + row)] = rounded_up(std::sqrt(norm));
    lost_[static_cast<size_t>(first + row)] = rounded_up(std::sqrt(lost));
  }
}

HeadOutline OutlineBuilder::outline() const {
  HeadOutline outline;
  outline.codes = head_;
  outline.codes.data = panels_;
  outline.codes.dtype = DType::kI8;
  outline.codes.layout = WeightLayout::kPanels;
  outline.codes.scale = nullptr;
  outline.norm = norm_;
  outline.lost = lost_;
  return outline;
}

// By Cauchy and Schwarz, with w = c + l and x = d + m (codes and what they lack): w x - c d = l x +
// c m. And sums of so many products in F32, in any order and with scales in between, are off by
// less than (terms + a few) * 2^-24 of the sum of the products' magnitudes, which is at most the
// product of the lengths.
void bound_estimates(const HeadOutline& outline, double length, double lost,
                     std::span<float> margin) {
  FATHOM_CHECK(margin.size() == outline.norm.size());
  const double rounding = static_cast<double>(2 * outline.codes.cols + 256) * 0x1p-24;
  const auto of_norm = rounded_up((lost + rounding * (length + lost)) * (1 + 0x1p-10));
  const auto of_lost = rounded_up(length * (1 + rounding) * (1 + 0x1p-10));
  const float* norm = outline.norm.data();
  const float* rest = outline.lost.data();
  float* out = margin.data();
  constexpr float kUnderflow = 1e-30f;  // far more than all products that vanish
  for (size_t v = 0; v < margin.size(); ++v) {
    out[v] = norm[v] * of_norm + rest[v] * of_lost + kUnderflow;
  }
}

}  // namespace fathom
