// Building blocks of the AVX-512 kernels. Included by this folder alone: everything here is
// compiled with its flags and must not meet the same names in another instruction set.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace fathom::avx512 {
namespace {

/// The dword columns of a panel: 64 rows are four vectors of 16.
constexpr int kVectors = 4;
constexpr int kPanelFloats = 64;

/// Widens E4M3 to BF16 by looking both bytes up: exact for subnormals and NaN as well.
struct E4M3Table {
  __m512i high[2];  // by the low seven bits of a code: the upper byte, sign apart
  __m512i low[2];
  __m512i sign;
};

E4M3Table make_e4m3_table() {
  alignas(64) uint8_t high[128], low[128];
  for (int code = 0; code < 128; ++code) {
    const int exponent = code >> 3, mantissa = code & 7;
    int bits = (exponent + 120) << 7 | mantissa << 4;
    if (exponent == 0) {
      // m * 2^-9, normalized: the leading one of m leaves the mantissa.
      const int lead = mantissa >= 4 ? 2 : mantissa >= 2 ? 1 : 0;
      bits = mantissa == 0 ? 0 : (118 + lead) << 7 | ((mantissa << (7 - lead)) & 0x7F);
    }
    if (code == 127) bits = 0x7FC0;
    high[code] = static_cast<uint8_t>(bits >> 8);
    low[code] = static_cast<uint8_t>(bits);
  }
  return {{_mm512_load_si512(high), _mm512_load_si512(high + 64)},
          {_mm512_load_si512(low), _mm512_load_si512(low + 64)},
          _mm512_set1_epi8(static_cast<char>(0x80))};
}

/// 64 codes of a panel (16 rows x 4 columns) to the dword pairs (k0, k1) and (k2, k3) of its rows.
inline __attribute__((always_inline)) void widen(const E4M3Table& table, __m512i codes,
                                                 __m512i& k01, __m512i& k23) {
  const __m512i low = _mm512_permutex2var_epi8(table.low[0], codes, table.low[1]);
  __m512i high = _mm512_permutex2var_epi8(table.high[0], codes, table.high[1]);
  high = _mm512_ternarylogic_epi32(high, codes, table.sign, 0xF8);  // high | (codes & sign)
  k01 = _mm512_unpacklo_epi8(low, high);
  k23 = _mm512_unpackhi_epi8(low, high);
}

/// In place: lane j of row i to lane i of row j.
inline __attribute__((always_inline)) void transpose16(__m512i r[16]) {
  __m512i t[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xDD);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xDD);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xDD);
    r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
    r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xDD);
  }
}

/// The first n of 16 (or 64) lanes.
inline __mmask16 first16(int64_t n) { return n >= 16 ? 0xFFFF : n <= 0 ? 0 : (1u << n) - 1; }
inline __mmask64 first64(int64_t n) { return n >= 64 ? ~0ull : n <= 0 ? 0 : (1ull << n) - 1; }

}  // namespace
}  // namespace fathom::avx512
