#include "checkpoint/fp8_cast.h"

#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cstddef>

#include "base/check.h"
#include "tensor/float_formats.h"

namespace fathom {
namespace {

constexpr float kE4m3Max = 448.0f;

/// Eight codes (in the low bytes of 16-bit lanes) to F32, exactly. Moved up, an E4M3 is an F16
/// whose exponent is 8 too small; F16's subnormals come out right without a special case.
__m256 e4m3_to_f32x8(__m128i codes) {
  const __m128i magnitude = _mm_and_si128(codes, _mm_set1_epi16(0x7F));
  const __m128i is_nan = _mm_cmpeq_epi16(magnitude, _mm_set1_epi16(0x7F));
  const __m128i half =
      _mm_blendv_epi8(_mm_slli_epi16(magnitude, 7), _mm_set1_epi16(0x7E00), is_nan);
  const __m128i sign = _mm_slli_epi16(_mm_and_si128(codes, _mm_set1_epi16(0x80)), 8);
  return _mm256_mul_ps(_mm256_cvtph_ps(_mm_or_si128(half, sign)), _mm256_set1_ps(256.0f));
}

/// As f32_to_bf16, in the low halves of 32-bit lanes.
__m256i f32_to_bf16x8(__m256 x) {
  const __m256i bits = _mm256_castps_si256(x);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF)));
  const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x00400000));
  const __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
  return _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, is_nan), 16);
}

/// `count` codes of one row under one scale.
void dequantize_span(const uint8_t* codes, int64_t count, float scale, uint16_t* out) {
  const __m256 scales = _mm256_set1_ps(scale);
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) {
    const __m256i wide =
        _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes + i)));
    const __m256i low =
        f32_to_bf16x8(_mm256_mul_ps(e4m3_to_f32x8(_mm256_castsi256_si128(wide)), scales));
    const __m256i high =
        f32_to_bf16x8(_mm256_mul_ps(e4m3_to_f32x8(_mm256_extracti128_si256(wide, 1)), scales));
    // packus works within 128-bit halves: put the quarters back in order.
    const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, high), 0xD8);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i), packed);
  }
  for (; i < count; ++i) out[i] = f32_to_bf16(e4m3_to_f32(codes[i]) * scale);
}

/// As f32_to_e4m3 for finite values, in the low bytes of 32-bit lanes.
__m256i f32_to_e4m3x8(__m256 x) {
  const __m256i bits = _mm256_castps_si256(x);
  const __m256i magnitude = _mm256_and_si256(bits, _mm256_set1_epi32(0x7FFFFFFF));
  const __m256i sign = _mm256_and_si256(_mm256_srli_epi32(bits, 24), _mm256_set1_epi32(0x80));
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(magnitude, 20), _mm256_set1_epi32(1));
  const __m256i rounded =
      _mm256_add_epi32(magnitude, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFFF)));
  const __m256i normal = _mm256_min_epi32(
      _mm256_sub_epi32(_mm256_srli_epi32(rounded, 20), _mm256_set1_epi32(120 << 3)),
      _mm256_set1_epi32(0x7E));
  const __m256i subnormal =
      _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_castsi256_ps(magnitude), _mm256_set1_ps(0x1p9f)));
  const __m256i is_small = _mm256_cmpgt_epi32(_mm256_set1_epi32(0x3C800000), magnitude);
  return _mm256_or_si256(sign, _mm256_blendv_epi8(normal, subnormal, is_small));
}

float load_one(const float* x) { return *x; }
float load_one(const uint16_t* x) { return bf16_to_f32(*x); }
__m256 load_eight(const float* x) { return _mm256_loadu_ps(x); }
__m256 load_eight(const uint16_t* x) {
  const __m128i narrow = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(narrow), 16));
}

/// The largest magnitude, as bits: 0x7F800000 and more for infinity and NaN.
template <typename T>
uint32_t max_magnitude(const T* x, int64_t count) {
  const __m256i mask = _mm256_set1_epi32(0x7FFFFFFF);
  __m256i largest = _mm256_setzero_si256();
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    largest =
        _mm256_max_epu32(largest, _mm256_and_si256(mask, _mm256_castps_si256(load_eight(x + i))));
  }
  alignas(32) uint32_t lanes[8];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), largest);
  uint32_t result = *std::max_element(lanes, lanes + 8);
  for (; i < count; ++i) {
    result = std::max(result, std::bit_cast<uint32_t>(load_one(x + i)) & 0x7FFFFFFFu);
  }
  return result;
}

template <typename T>
void quantize_span(const T* x, int64_t count, float scale, uint8_t* codes) {
  const __m256 scales = _mm256_set1_ps(scale);
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m256i wide = f32_to_e4m3x8(_mm256_div_ps(load_eight(x + i), scales));
    const __m128i words =
        _mm_packus_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(codes + i), _mm_packus_epi16(words, words));
  }
  for (; i < count; ++i) codes[i] = f32_to_e4m3(load_one(x + i) / scale);
}

/// The scale of a block whose largest magnitude is `amax`, kept a normal number so that x / scale
/// stays within 448.
float block_scale(float amax) { return amax == 0.0f ? 1.0f : std::max(amax / kE4m3Max, FLT_MIN); }

template <typename T>
std::optional<BlockIndex> quantize_rows(const WeightView& weight, int64_t first, int64_t count,
                                        uint8_t* codes, float* scales) {
  const T* rows = static_cast<const T*>(weight.data) + first * weight.cols;
  const int64_t cols = weight.cols;
  for (int64_t top = 0; top < count; top += kScaleBlock) {
    const int64_t bottom = std::min(top + kScaleBlock, count);
    for (int64_t left = 0; left < cols; left += kScaleBlock) {
      const int64_t width = std::min(kScaleBlock, cols - left);
      uint32_t amax = 0;
      for (int64_t r = top; r < bottom; ++r) {
        amax = std::max(amax, max_magnitude(rows + r * cols + left, width));
      }
      if (amax >= 0x7F800000u) return BlockIndex{(first + top) / kScaleBlock, left / kScaleBlock};
      const float scale = block_scale(std::bit_cast<float>(amax));
      *scales++ = scale;
      for (int64_t r = top; r < bottom; ++r) {
        quantize_span(rows + r * cols + left, width, scale, codes + r * cols + left);
      }
    }
  }
  return std::nullopt;
}

}  // namespace

void cast_fp8_to_bf16(const WeightView& weight, int64_t first, int64_t count, uint16_t* out) {
  FATHOM_CHECK(weight.dtype == DType::kF8E4M3 && weight.scale);
  FATHOM_CHECK(first >= 0 && count >= 0 && first + count <= weight.rows);
  const auto* codes = static_cast<const uint8_t*>(weight.data) + first * weight.cols;
  for (int64_t r = 0; r < count; ++r, codes += weight.cols, out += weight.cols) {
    const float* scales = weight.scale + (first + r) / kScaleBlock * weight.scale_cols();
    for (int64_t left = 0; left < weight.cols; left += kScaleBlock) {
      const int64_t width = std::min(kScaleBlock, weight.cols - left);
      dequantize_span(codes + left, width, *scales++, out + left);
    }
  }
}

std::optional<BlockIndex> cast_to_fp8(const WeightView& weight, int64_t first, int64_t count,
                                      uint8_t* codes, float* scales) {
  FATHOM_CHECK(first >= 0 && count >= 0 && first + count <= weight.rows);
  FATHOM_CHECK(first % kScaleBlock == 0);
  FATHOM_CHECK(count % kScaleBlock == 0 || first + count == weight.rows);
  if (weight.dtype == DType::kBF16)
    return quantize_rows<uint16_t>(weight, first, count, codes, scales);
  FATHOM_CHECK(weight.dtype == DType::kF32);
  return quantize_rows<float>(weight, first, count, codes, scales);
}

}  // namespace fathom
