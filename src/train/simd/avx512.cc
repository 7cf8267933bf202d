#include <immintrin.h>

#include <cmath>
#include <cstring>

#include "train/simd/table.h"

namespace fathom::train {
namespace {

#include "train/simd/lanes.inc"

// Six rows by four vectors: 24 chains hide the latency of vdpbf16ps, and the four words of B are
// used six times each.
constexpr int64_t kRows = 6;
// Pairs of K taken in one sweep over the panels: a panel of B stays in the first-level cache.
constexpr int64_t kSweepPairs = 256;

struct TileArgs {
  const uint32_t* a[kRows];
  int64_t k_stride;
  const float* a_scale[kRows];
  int64_t a_scale_k;
  const uint32_t* b;
  const float* b_scale;
  float* c[kRows];
  int64_t cols;
  int64_t pairs;
  bool add;
  bool round;
};

inline __m512 round_bf16_lanes(__m512 x) {
  const __m512i bits = _mm512_castps_si512(x);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i up = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF)));
  return _mm512_castsi512_ps(
      _mm512_and_si512(up, _mm512_set1_epi32(static_cast<int>(0xFFFF0000u))));
}

template <int kR>
inline void multiply(const uint32_t* const* a, int64_t k_stride, const uint32_t* b, int64_t pairs,
                     __m512 acc[kR][4]) {
  const uint32_t* rows[kR];
  for (int r = 0; r < kR; ++r) rows[r] = a[r];
  for (int64_t k = 0; k < pairs; ++k) {
    __m512bh right[4];
    for (int v = 0; v < 4; ++v) {
      right[v] = (__m512bh)_mm512_loadu_si512(b + k * kPanel + v * 16);
    }
#pragma GCC unroll 6
    for (int r = 0; r < kR; ++r) {
      const __m512bh left = (__m512bh)_mm512_set1_epi32(static_cast<int>(rows[r][k * k_stride]));
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) acc[r][v] = _mm512_dpbf16_ps(acc[r][v], left, right[v]);
    }
  }
}

template <int kR, bool kScaled>
void tile(const TileArgs& t) {
  __mmask16 mask[4];
  for (int v = 0; v < 4; ++v) {
    const int64_t left = t.cols - v * 16;
    mask[v] = left >= 16 ? 0xFFFF : left <= 0 ? 0 : static_cast<__mmask16>((1u << left) - 1);
  }
  const int64_t step = kScaled ? kBlockPairs : t.pairs;
  const uint32_t* a[kR];
  for (int r = 0; r < kR; ++r) a[r] = t.a[r];
  bool add = t.add;
  for (int64_t k = 0; k < t.pairs; k += step) {
    const int64_t n = t.pairs - k < step ? t.pairs - k : step;
    __m512 acc[kR][4];
#pragma GCC unroll 6
    for (int r = 0; r < kR; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) acc[r][v] = _mm512_setzero_ps();
    }
    multiply<kR>(a, t.k_stride, t.b + k * kPanel, n, acc);
    const bool last = k + n == t.pairs;
#pragma GCC unroll 6
    for (int r = 0; r < kR; ++r) {
      a[r] += n * t.k_stride;
      const __m512 row_scale =
          kScaled ? _mm512_set1_ps(t.a_scale[r][k / kBlockPairs * t.a_scale_k]) : __m512();
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) {
        __m512 x = acc[r][v];
        if (kScaled) {
          x = _mm512_mul_ps(x, _mm512_mul_ps(row_scale, _mm512_loadu_ps(t.b_scale + k + v * 16)));
        }
        if (add) x = _mm512_add_ps(x, _mm512_maskz_loadu_ps(mask[v], t.c[r] + v * 16));
        if (last && t.round) x = round_bf16_lanes(x);
        _mm512_mask_storeu_ps(t.c[r] + v * 16, mask[v], x);
      }
    }
    add = true;
  }
}

template <bool kScaled>
void run_tile(const TileArgs& t, int64_t rows) {
  switch (rows) {
    case 6:
      return tile<6, kScaled>(t);
    case 5:
      return tile<5, kScaled>(t);
    case 4:
      return tile<4, kScaled>(t);
    case 3:
      return tile<3, kScaled>(t);
    case 2:
      return tile<2, kScaled>(t);
    default:
      return tile<1, kScaled>(t);
  }
}

void product(const Product& p) {
  const bool scaled = p.a.scale != nullptr;
  for (int64_t k = 0; k < p.pairs; k += kSweepPairs) {
    const int64_t pairs = p.pairs - k < kSweepPairs ? p.pairs - k : kSweepPairs;
    const bool last = k + pairs == p.pairs;
    for (int64_t panel = p.panel0; panel < p.panel1; ++panel) {
      TileArgs t;
      t.k_stride = p.a.k_stride;
      t.a_scale_k = p.a.scale_k;
      t.b = p.b.data + panel * p.b.panel_stride + k * p.b.k_stride;
      t.b_scale = scaled ? p.b.scale + panel * p.b.scale_panel + k : nullptr;
      t.cols = p.cols - panel * kPanel < kPanel ? p.cols - panel * kPanel : kPanel;
      t.pairs = pairs;
      t.add = p.accumulate || k > 0;
      t.round = p.round_bf16 && last;
      for (int64_t row = p.row0; row < p.row1; row += kRows) {
        const int64_t rows = p.row1 - row < kRows ? p.row1 - row : kRows;
        for (int64_t r = 0; r < rows; ++r) {
          const int64_t at = row + r;
          t.a[r] = p.a.data + at / kPanel * p.a.panel_stride + at % kPanel * p.a.row_stride +
                   k * p.a.k_stride;
          t.a_scale[r] = scaled ? p.a.scale + at / kPanel * p.a.scale_panel +
                                      at % kPanel * p.a.scale_row + k / kBlockPairs * p.a.scale_k
                                : nullptr;
          t.c[r] = p.c + (at - p.row0) * p.ldc + panel * kPanel;
        }
        if (scaled) {
          run_tile<true>(t, rows);
        } else {
          run_tile<false>(t, rows);
        }
      }
    }
  }
}

}  // namespace

constinit const Table kAvx512Table = FATHOM_LANES_TABLE("avx512", product);

}  // namespace fathom::train
