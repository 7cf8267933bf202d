// The INT8 product (kernels/int8.h) of this set. Every sum of a block is a whole number, the same
// in any order; what is left to keep is the one line that adds it to a total.
#pragma once

#include "kernels/avx512/vectors.h"
#include "kernels/ops.h"

namespace fathom::avx512 {
namespace {

constexpr int64_t kInt8Groups = kScaleBlock / 4;     // of a block, 4 columns of 64 rows each
constexpr int64_t kInt8GroupBytes = 4 * kPanelRows;  // of one of them

/// Sums of whole numbers. NOTES: of its own type: an array of __m512i, whose elements are 64 bits
/// to GCC 12, is written to memory after each vpdpbusd.
using Sums16 = int32_t __attribute__((vector_size(64)));

/// Adds to each lane its four codes of w, unsigned, times those of x.
inline __attribute__((always_inline)) Sums16 add_fours(Sums16 sum, __m512i w, __m512i x) {
  return (Sums16)_mm512_dpbusd_epi32((__m512i)sum, w, x);
}

/// Four codes of a row of x for every lane.
inline __attribute__((always_inline)) __m512i four_codes(const int8_t* row, int64_t group) {
  return _mm512_set1_epi32(reinterpret_cast<const int32_t*>(row)[group]);
}

/// The scales of rows 16 * v and on, of the block that begins at `block`.
inline __m512 weight_scales(const uint8_t* block, int v) {
  const __m256i bf16 =
      _mm256_load_si256(reinterpret_cast<const __m256i*>(block + kInt8Codes + v * 32));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bf16), 16));
}

/// total + sum * weight scale * activation scale.
inline __m512 add_scaled(__m512 total, __m512i sum, __m512 weight_scale, __m512 x_scale) {
  return _mm512_fmadd_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(sum), weight_scale), x_scale, total);
}

/// Where row i of x lies.
inline int64_t row_of(const Activations& x, int64_t i) {
  return x.index.empty() ? i : x.index[static_cast<size_t>(i)];
}

}  // namespace

Int8Scale quantize_int8(std::span<const float> x, int8_t* codes);

/// linear() with weights of INT8.
void int8_linear(const Activations& x, const WeightView& w, int64_t first, int64_t last,
                 Mat<float> y);
/// The same for at most kStreamedRows rows.
void int8_few_rows(const Activations& x, const WeightView& w, int64_t first, int64_t last,
                   Mat<float> y);

}  // namespace fathom::avx512
