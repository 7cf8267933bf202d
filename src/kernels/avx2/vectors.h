// Building blocks of the AVX2 kernels, for this folder alone.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace fathom::avx2 {
namespace {

/// All ones in the first n of 8 lanes.
inline __m256i first8(int64_t n) {
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const int count = n >= 8 ? 8 : n <= 0 ? 0 : static_cast<int>(n);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), lanes);
}

inline __m256 load_first(const float* from, int64_t n) {
  return n >= 8 ? _mm256_loadu_ps(from) : _mm256_maskload_ps(from, first8(n));
}

inline void store_first(float* to, int64_t n, __m256 x) {
  if (n >= 8) {
    _mm256_storeu_ps(to, x);
  } else {
    _mm256_maskstore_ps(to, first8(n), x);
  }
}

/// The lanes added in one order.
inline float sum_lanes(__m256 x) {
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

/// exp(x) to 2 units in the last place, as in the AVX-512 set; exactly 0 from -104 down, NaN stays.
inline __m256 exp_ps(__m256 x) {
  // The second operand is what a NaN leaves.
  x = _mm256_min_ps(_mm256_set1_ps(89.0f), _mm256_max_ps(_mm256_set1_ps(-104.0f), x));
  const __m256 n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504f)),
                                   _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693145752f), x);
  r = _mm256_fnmadd_ps(n, _mm256_set1_ps(1.42860677e-6f), r);
  __m256 p = _mm256_set1_ps(1.98756912e-4f);
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.39819994e-3f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(8.33345186e-3f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(4.16657962e-2f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1.66666657e-1f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0.5f));
  p = _mm256_fmadd_ps(_mm256_mul_ps(p, r), r, r);
  p = _mm256_add_ps(p, _mm256_set1_ps(1.0f));
  // 2^n in two factors, each of them a normal number.
  const __m256i whole = _mm256_cvtps_epi32(n);
  const __m256i half = _mm256_srai_epi32(whole, 1);
  const auto power = [](__m256i e) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(e, _mm256_set1_epi32(127)), 23));
  };
  return _mm256_mul_ps(_mm256_mul_ps(p, power(half)), power(_mm256_sub_epi32(whole, half)));
}

/// 8 BF16 as floats.
inline __m256 widen_bf16(__m128i x) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16));
}

/// 8 codes of E4M3, each in a dword: exact for subnormals and NaN as well.
inline __m256 widen_e4m3(__m256i codes) {
  const __m256i magnitude = _mm256_and_si256(codes, _mm256_set1_epi32(0x7F));
  const __m256i sign = _mm256_slli_epi32(_mm256_xor_si256(codes, magnitude), 24);
  __m256i bits = _mm256_add_epi32(_mm256_slli_epi32(magnitude, 20), _mm256_set1_epi32(120 << 23));
  const __m256 small = _mm256_mul_ps(_mm256_cvtepi32_ps(magnitude), _mm256_set1_ps(0x1p-9f));
  const __m256i subnormal = _mm256_cmpgt_epi32(_mm256_set1_epi32(8), magnitude);
  bits = _mm256_blendv_epi8(bits, _mm256_castps_si256(small), subnormal);
  const __m256i nan = _mm256_cmpeq_epi32(magnitude, _mm256_set1_epi32(0x7F));
  bits = _mm256_or_si256(bits, _mm256_and_si256(nan, _mm256_set1_epi32(0x7FC00000)));
  return _mm256_castsi256_ps(_mm256_or_si256(bits, sign));
}

}  // namespace
}  // namespace fathom::avx2
