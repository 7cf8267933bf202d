#include "kernels/int8.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "tensor/float_formats.h"

namespace fathom {
namespace {

const std::array<float, 256>& e4m3_values() {
  static const auto table = [] {
    std::array<float, 256> t{};
    for (size_t i = 0; i < t.size(); ++i) t[i] = e4m3_to_f32(static_cast<uint8_t>(i));
    return t;
  }();
  return table;
}

// A block of a row as floats; past the row's end zeros.
void read_block(const WeightView& w, int64_t row, int64_t begin, float* out) {
  const int64_t count = std::min(kScaleBlock, w.cols - begin);
  const int64_t at = row * w.cols + begin;
  switch (w.dtype) {
    case DType::kF8E4M3: {
      const auto& table = e4m3_values();
      const auto* codes = static_cast<const uint8_t*>(w.data) + at;
      const float scale = w.scale[row / kScaleBlock * w.scale_cols() + begin / kScaleBlock];
      for (int64_t i = 0; i < count; ++i) out[i] = table[codes[i]] * scale;
      break;
    }
    case DType::kBF16: {
      const auto* values = static_cast<const uint16_t*>(w.data) + at;
      for (int64_t i = 0; i < count; ++i) out[i] = bf16_to_f32(values[i]);
      break;
    }
    case DType::kF32:
      std::memcpy(out, static_cast<const float*>(w.data) + at,
                  static_cast<size_t>(count) * sizeof(float));
      break;
    default:
      FATHOM_CHECK(false && "weights are F8_E4M3, BF16 or F32");
  }
  std::fill(out + count, out + kScaleBlock, 0.0f);
}

// Rounds a block; its codes, with the offset, go 4 to each group of the panel.
uint16_t round_block(const float* values, uint8_t* codes) {
  constexpr uint32_t kInfinite = 0x7F800000u;
  uint32_t top_bits = 0;  // of positive floats, order is that of their bits, NaN last
  for (int64_t i = 0; i < kScaleBlock; ++i) {
    top_bits = std::max(top_bits, std::bit_cast<uint32_t>(values[i]) & 0x7FFFFFFFu);
  }
  const float top = std::bit_cast<float>(top_bits);
  const bool zero = top_bits >= kInfinite || top < kLeastInt8;
  uint16_t scale = 0;
  float inverse = 0;
  if (top_bits >= kInfinite) {
    scale = f32_to_bf16(std::numeric_limits<float>::quiet_NaN());
  } else if (!zero) {
    scale = static_cast<uint16_t>((std::bit_cast<uint32_t>(top / 127.0f) + 0xFFFFu) >> 16);
    inverse = 1.0f / bf16_to_f32(scale);
  }
  alignas(64) uint8_t row[kScaleBlock];
  for (int64_t i = 0; i < kScaleBlock; ++i) {
    const float scaled = zero ? 0.0f : values[i] * inverse;
    row[i] = static_cast<uint8_t>(static_cast<int>(std::nearbyint(scaled)) + kInt8Offset);
  }
  for (int64_t g = 0; g < kScaleBlock / 4; ++g) {
    std::memcpy(codes + g * 4 * kPanelRows, row + g * 4, 4);
  }
  return scale;
}

}  // namespace

void pack_int8_panel(const WeightView& w, int64_t panel, std::byte* out) {
  FATHOM_CHECK(w.layout == WeightLayout::kRowMajor);
  const int64_t first = panel * kPanelRows;
  auto* to = reinterpret_cast<uint8_t*>(out);
  alignas(64) float values[kScaleBlock] = {};
  for (int64_t begin = 0; begin < w.cols; begin += kScaleBlock, to += kInt8Block) {
    uint16_t scales[kPanelRows];
    for (int64_t row = 0; row < kPanelRows; ++row) {
      if (first + row < w.rows) {
        read_block(w, first + row, begin, values);
      } else {
        std::fill(values, values + kScaleBlock, 0.0f);
      }
      scales[row] = round_block(values, to + row * 4);
    }
    std::memcpy(to + kInt8Codes, scales, sizeof scales);
  }
}

}  // namespace fathom
