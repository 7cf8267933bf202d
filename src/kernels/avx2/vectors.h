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

/// In place: lane j of row i to lane i of row j.
inline void transpose8(__m256 (&r)[8]) {
  __m256 a[8], b[8];
  for (int i = 0; i < 8; i += 2) {
    a[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    a[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    b[i] = _mm256_shuffle_ps(a[i], a[i + 2], 0x44);
    b[i + 1] = _mm256_shuffle_ps(a[i], a[i + 2], 0xEE);
    b[i + 2] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0x44);
    b[i + 3] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0xEE);
  }
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm256_permute2f128_ps(b[i], b[i + 4], 0x20);
    r[i + 4] = _mm256_permute2f128_ps(b[i], b[i + 4], 0x31);
  }
}

/// 8 BF16 as floats.
inline __m256 widen_bf16(__m128i x) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16));
}

/// What moving codes takes. NOTES: in memory, for the sums of a few rows need the registers.
struct MoveConstants {
  __m256i keep = _mm256_set1_epi32(static_cast<int>(0x87F00000u));  // sign, exponent and mantissa
  __m256i times16 = _mm256_set1_epi16(16);                          // bytes of even places
  __m256i over16 = _mm256_set1_epi16(1 << 12);  // in the upper half of a product
};

inline __attribute__((always_inline)) __m256i load_bytes(const uint8_t* at) {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(at));
}

/// Two words of moved codes in each dword, as floats: the lower ones, then the upper ones.
inline __attribute__((always_inline)) void part(__m256i words, __m256i keep, __m256& lower,
                                                __m256& upper) {
  lower = _mm256_castsi256_ps(_mm256_and_si256(_mm256_slli_epi32(words, 16), keep));
  upper = _mm256_castsi256_ps(_mm256_and_si256(words, keep));
}

/// Of 32 codes of E4M3 of a panel, 8 rows x 4 columns, columns 0 and 2 as floats: each code times
/// 2^-120, but finite where it is a NaN. Multiplications move the codes, which the other pipes'
/// shifts leave free, and take them from memory.
inline __attribute__((always_inline)) void move_even(const MoveConstants& k, const uint8_t* at,
                                                     __m256& column0, __m256& column2) {
  part(_mm256_maddubs_epi16(k.times16, load_bytes(at)), k.keep, column0, column2);
}

/// Columns 1 and 3, the same.
inline __attribute__((always_inline)) void move_odd(const MoveConstants& k, const uint8_t* at,
                                                    __m256& column1, __m256& column3) {
  part(_mm256_mulhi_epi16(k.over16, load_bytes(at)), k.keep, column1, column3);
}

/// A moved column with NaN where its codes are.
inline __m256 with_nan(__m256 column) {
  const __m256i most = _mm256_set1_epi32(0x07F00000);
  const __m256i bits = _mm256_castps_si256(column);
  const __m256i nan = _mm256_cmpeq_epi32(_mm256_and_si256(bits, most), most);
  return _mm256_castsi256_ps(
      _mm256_or_si256(bits, _mm256_and_si256(nan, _mm256_set1_epi32(0x7FC00000))));
}

/// 8 pairs of BF16 as floats: the even ones, then the odd ones.
inline __attribute__((always_inline)) void widen_pairs(__m256i pairs, __m256& even, __m256& odd) {
  even = _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16));
  odd = _mm256_castsi256_ps(
      _mm256_and_si256(pairs, _mm256_set1_epi32(static_cast<int>(0xFFFF0000u))));
}

/// Sums of whole numbers. NOTES: of its own type: arrays of __m256i, whose elements are 64 bits to
/// GCC 12, are written to memory at every step.
using Sums8 = int32_t __attribute__((vector_size(32)));

}  // namespace
}  // namespace fathom::avx2
