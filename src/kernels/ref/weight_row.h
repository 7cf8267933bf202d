// Reading any weight as numbers, one element at a time.
#pragma once

#include "kernels/panel.h"
#include "tensor/float_formats.h"
#include "tensor/mat_view.h"

namespace fathom {

/// Where a panel keeps [row, col], counted in elements.
inline int64_t panel_index(const WeightView& w, int64_t row, int64_t col) {
  const auto element = static_cast<int64_t>(dtype_size(w.dtype));
  const int64_t in_group = 4 / element;  // columns in a group of 4 bytes
  const int64_t lane = row % kPanelRows, part = col % in_group;
  const auto panel = static_cast<int64_t>(panel_bytes(w.cols * element)) / element;
  const int64_t begin = row / kPanelRows * panel + col / in_group * kPanelRows * in_group;
  if (w.dtype != DType::kF8E4M3) return begin + lane * in_group + part;
  return begin + lane / 4 * 16 + part / 2 * 8 + lane % 4 * 2 + part % 2;
}

/// The stored value at [row, col], before its block scale.
inline double raw_weight(const WeightView& w, int64_t row, int64_t col) {
  const int64_t i =
      w.layout == WeightLayout::kPanels ? panel_index(w, row, col) : row * w.cols + col;
  switch (w.dtype) {
    case DType::kF8E4M3:
      return e4m3_to_f32(static_cast<const uint8_t*>(w.data)[i]);
    case DType::kBF16:
      return bf16_to_f32(static_cast<const uint16_t*>(w.data)[i]);
    case DType::kF32:
      return static_cast<const float*>(w.data)[i];
    default:
      FATHOM_CHECK(false && "weights are F8_E4M3, BF16 or F32");
  }
  return 0;
}

/// The scale of the block that holds [row, col]; 1 for types without scales.
inline double weight_scale(const WeightView& w, int64_t row, int64_t col) {
  if (w.scale == nullptr) return 1.0;
  return w.scale[row / kScaleBlock * w.scale_cols() + col / kScaleBlock];
}

}  // namespace fathom
