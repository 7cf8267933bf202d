// Rows of activations as the products of this set take them: floats, block by block.
//
// NOTES: a code of E4M3 with its bits moved to a float's places is that code times 2^-120, exactly,
// subnormals too: three operations for 8 codes, and none to multiply by 2^120. The rows make up for
// it: each block of a row is multiplied by the power of two that brings its largest value to 2^100,
// which rounds nothing and keeps every product far from both ends of a float's range, and the
// block's sum is multiplied by what is left over.
#pragma once

#include <algorithm>

#include "kernels/avx2/vectors.h"
#include "kernels/ops.h"

namespace fathom::avx2 {
namespace {

constexpr int kShift = 120;   // a moved code is the code times 2^-kShift
constexpr int kCenter = 100;  // the exponent of a centered block's largest value, unless the power
constexpr int kLeastPower = kShift - 127;  // would leave these: what is left over is a normal
constexpr int kMostPower = kShift + 126;   // float

/// What a product's rows are read from.
struct Source {
  const Activations& x;
  bool floats;     // the F32 form; else BF16
  bool quantized;  // with scales of their own
  bool moved;      // for weights of FP8

  int64_t row(int64_t r) const { return x.index.empty() ? r : x.index[static_cast<size_t>(r)]; }
};

inline Source source_of(const Activations& x, const WeightView& w) {
  const bool fp8 = w.dtype == DType::kF8E4M3;
  const bool quantized = x.numerics == Numerics::kW8A8 && fp8;
  const bool floats = w.dtype == DType::kF32 || (!quantized && x.numerics != Numerics::kNative);
  return {x, floats, quantized, fp8};
}

/// 2^e as a float, for a normal one.
inline float power_of_two(int e) {
  return _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128((e + 127) << 23)));
}

/// The power of two that a block whose largest value has these bits is multiplied by; of infinity
/// and NaN none, for so is every sum.
inline int centering_power(int32_t most) {
  const int exponent = most >> 23;
  if (exponent == 0xFF) return 0;
  return std::clamp(kCenter + 127 - exponent, kLeastPower, kMostPower);
}

inline int32_t max_lane(__m256i x) {
  __m128i m = _mm_max_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4E));
  m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xB1));
  return _mm_cvtsi128_si32(m);
}

/// The largest magnitude's bits: of positive floats, order is that of their bits.
inline int32_t largest(const float* x, int64_t columns) {
  const __m256i magnitude = _mm256_set1_epi32(0x7FFFFFFF);
  __m256i most = _mm256_setzero_si256();
  for (int64_t i = 0; i < columns; i += 8) {
    const __m256i bits = _mm256_castps_si256(load_first(x + i, columns - i));
    most = _mm256_max_epi32(most, _mm256_and_si256(bits, magnitude));
  }
  return max_lane(most);
}

inline int32_t largest(const uint16_t* x, int64_t) {
  const __m256i magnitude = _mm256_set1_epi16(0x7FFF);
  __m256i most = _mm256_setzero_si256();
  for (int64_t i = 0; i < kScaleBlock; i += 16) {
    const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + i));
    most = _mm256_max_epi16(most, _mm256_and_si256(bits, magnitude));
  }
  const __m256i upper = _mm256_srli_epi32(most, 16), lower = _mm256_slli_epi32(most, 16);
  return max_lane(_mm256_max_epi32(_mm256_slli_epi32(upper, 16), lower));
}

/// Eight values of a row of 128, for each of the two forms.
inline __m256 values_at(const uint16_t* x, int64_t i, int64_t) {
  return widen_bf16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x + i)));
}
inline __m256 values_at(const float* x, int64_t i, int64_t columns) {
  return load_first(x + std::min(i, columns), columns - i);
}

/// A block as it is.
template <typename T>
float copy_block(const T* x, int64_t columns, float* to) {
  for (int64_t i = 0; i < kScaleBlock; i += 8) _mm256_store_ps(to + i, values_at(x, i, columns));
  return 1.0f;
}

/// A block times the power of two said above, each four columns in the order 0, 2, 1, 3. Returns
/// what its sum is to be multiplied by.
template <typename T>
float copy_centered(const T* x, int64_t columns, float* to) {
  const int power = centering_power(largest(x, columns));
  const __m256 factor = _mm256_set1_ps(power_of_two(std::min(power, 127)));
  for (int64_t i = 0; i < kScaleBlock; i += 8) {
    const __m256 values = _mm256_permute_ps(values_at(x, i, columns), 0xD8);
    _mm256_store_ps(to + i, _mm256_mul_ps(values, factor));
  }
  if (power > 127) {  // more than a float can hold
    const __m256 rest = _mm256_set1_ps(power_of_two(power - 127));
    for (int64_t i = 0; i < kScaleBlock; i += 8) {
      _mm256_store_ps(to + i, _mm256_mul_ps(_mm256_load_ps(to + i), rest));
    }
  }
  return power_of_two(kShift - power);
}

/// Block `block` of row r as kScaleBlock floats, zeros after the row's end; returns what its sum is
/// to be multiplied by, the weights' own scale apart. For weights of FP8 each four columns are in
/// the order in which codes are moved: 0, 2, 1, 3.
inline float read_block(const Source& from, int64_t r, int64_t block, float* to) {
  const int64_t begin = block * kScaleBlock;
  const int64_t columns = std::min(kScaleBlock, from.x.cols() - begin);
  float scale = 1.0f;
  if (from.floats) {
    const float* x = from.x.f32.row(from.row(r)) + begin;
    scale = from.moved ? copy_centered(x, columns, to) : copy_block(x, columns, to);
  } else {
    const uint16_t* x = from.x.bf16.at(from.row(r), block);
    scale = from.moved ? copy_centered(x, columns, to) : copy_block(x, columns, to);
  }
  return from.quantized ? scale * from.x.scales.row(from.row(r))[block] : scale;
}

}  // namespace
}  // namespace fathom::avx2
