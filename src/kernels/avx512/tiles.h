// Tiles of a product of many rows: one block of up to 128 columns of a panel, in the first cache,
// against all rows of x, some at a time.
//
// NOTES: 6 x 4 accumulators leave 8 registers for weights and broadcasts; 24 chains cover the dot
// product's latency of 6 at 2 a cycle, and a step of K asks 10 loads of the 24 that would fit. Room
// is left for a few prefetches a step, so all that a tile's end would wait for is asked for one
// tile early; and the next weights, which come from the memory, a block early. FP8 is widened once,
// by a first tile of few rows, for a store takes as long as one and a half dot products. Totals are
// read and written by nothing else: the first block makes them, the last one writes to y.
#pragma once

#include <algorithm>

#include "kernels/avx512/vectors.h"
#include "kernels/panel.h"

namespace fathom::avx512 {
namespace {

constexpr int kTileRows = 6;
constexpr int kWideningRows = 4;      // of the tile that widens what it multiplies
constexpr int kUnroll = 4;            // steps of K that fetch one piece together
constexpr int64_t kFetchBytes = 256;  // of a piece: a line a step
constexpr int64_t kMostPieces = kScaleBlock / kUnroll;

/// Pairs of BF16, 2 columns a step.
struct Pairs {
  static constexpr int64_t kRowBytes = kScaleBlock * 2;  // of x in a block
  static __m512i load(const std::byte* x, int64_t step) {
    return _mm512_set1_epi32(reinterpret_cast<const int32_t*>(x)[step]);
  }
  static __m512 multiply_add(__m512 sum, __m512i w, __m512i x) {
    return _mm512_dpbf16_ps(sum, (__m512bh)w, (__m512bh)x);
  }
};

/// Floats, a column a step.
struct Floats {
  static constexpr int64_t kRowBytes = kScaleBlock * 4;
  static __m512i load(const std::byte* x, int64_t step) { return Pairs::load(x, step); }
  static __m512 multiply_add(__m512 sum, __m512i w, __m512i x) {
    return _mm512_fmadd_ps(_mm512_castsi512_ps(w), _mm512_castsi512_ps(x), sum);
  }
};

/// Where a block's totals go: 64 floats of each row.
struct Totals {
  float* data;
  int64_t stride;   // floats from row to row
  int64_t columns;  // that may be written
};

/// One block of a panel against all rows.
struct BlockArgs {
  const uint8_t* weights;     // [steps][64] dwords
  const uint8_t* codes;       // FP8 that the first tile widens to them, or null
  const E4M3Table* table;     // for codes
  uint8_t* widened;           // for codes: the weights' place
  int64_t steps;              // of K
  const std::byte* const* x;  // each row at column 0
  int64_t rows;
  int64_t offset;            // bytes from column 0 to this block
  const float* scale;        // one for each row
  const float* totals;       // so far, [rows][64]
  bool fresh;                // there are none so far
  Totals after;              // with this block's added
  int64_t next_offset;       // of the block that follows this one
  const float* next_totals;  // its totals so far
};

/// Weights that are on their way.
struct Ahead {
  const uint8_t* next;
  const uint8_t* end;

  const uint8_t* take(int64_t bytes) {
    const uint8_t* taken = next;
    next += std::min(bytes, end - next);
    return taken;
  }
};

/// What is fetched while a tile computes: the rows and totals of the next tile, of the next block
/// after the last.
struct Fetches {
  const void* piece[kMostPieces];

  template <typename Kind>
  void plan(const BlockArgs& b, int64_t next_row, int64_t tile_rows) {
    const bool wraps = next_row >= b.rows;
    const int64_t row = wraps ? 0 : next_row;
    const int64_t offset = wraps ? b.next_offset : b.offset;
    const float* totals = wraps ? b.next_totals : b.totals;
    const int64_t count = std::min(tile_rows, b.rows - row);
    int n = 0;
    for (int64_t i = 0; i < count; ++i) {
      for (int64_t byte = 0; byte < Kind::kRowBytes; byte += kFetchBytes) {
        piece[n++] = b.x[row + i] + offset + byte;
      }
      piece[n++] = totals + (row + i) * kPanelFloats;
    }
    while (n < b.steps / kUnroll) piece[n++] = b.weights;  // there already
  }
};

template <int R>
inline __attribute__((always_inline)) void add_block(const __m512 (&sum)[R][kVectors],
                                                     const BlockArgs& b, int64_t row) {
#pragma GCC unroll 6
  for (int r = 0; r < R; ++r) {
    const __m512 scale = _mm512_set1_ps(b.scale[row + r]);
    float* to = b.after.data + (row + r) * b.after.stride;
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const float* so_far = b.totals + (row + r) * kPanelFloats + v * 16;
      const __m512 before = b.fresh ? _mm512_setzero_ps() : _mm512_load_ps(so_far);
      const __m512 total = _mm512_fmadd_ps(sum[r][v], scale, before);
      if (b.after.columns == kPanelFloats) {
        _mm512_storeu_ps(to + v * 16, total);
      } else {
        _mm512_mask_storeu_ps(to + v * 16, first16(b.after.columns - v * 16), total);
      }
    }
  }
}

template <typename Kind, int R>
inline __attribute__((always_inline)) void tile_step(const uint8_t* weights,
                                                     const std::byte* const (&x)[R], int64_t step,
                                                     __m512 (&sum)[R][kVectors]) {
  __m512i w[kVectors];
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) w[v] = _mm512_load_si512(weights + v * 64);
#pragma GCC unroll 6
  for (int r = 0; r < R; ++r) {
    const __m512i pair = Kind::load(x[r], step);
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[r][v] = Kind::multiply_add(sum[r][v], w[v], pair);
  }
}

/// Rows [first, last), R at a time. kLines of weights are fetched too in each step, into the second
/// cache: the first one has too few places for what is on its way from memory.
template <typename Kind, int R, int kLines>
void run_tiles(const BlockArgs& b, int64_t first, int64_t last, Ahead& ahead) {
  const int64_t unrolled = b.steps / kUnroll;
  for (int64_t row = first; row < last; row += R) {
    Fetches fetches;
    const uint8_t* next = kLines > 0 ? ahead.take(b.steps * kLines * 64) : nullptr;
    fetches.plan<Kind>(b, row + R, R);
    const std::byte* x[R];
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r) x[r] = b.x[row + r] + b.offset;
    __m512 sum[R][kVectors] = {};
    const uint8_t* weights = b.weights;
    for (int64_t i = 0; i < unrolled; ++i) {
      const auto* fetch = static_cast<const uint8_t*>(fetches.piece[i]);
#pragma GCC unroll 4
      for (int u = 0; u < kUnroll; ++u) {
        _mm_prefetch(fetch + u * 64, _MM_HINT_T0);
#pragma GCC unroll 2
        for (int line = 0; line < kLines; ++line) {
          _mm_prefetch(next + ((i * kUnroll + u) * kLines + line) * 64, _MM_HINT_T1);
        }
        tile_step<Kind, R>(weights + u * 256, x, i * kUnroll + u, sum);
      }
      weights += kUnroll * 256;
    }
    for (int64_t i = unrolled * kUnroll; i < b.steps; ++i, weights += 256) {
      tile_step<Kind, R>(weights, x, i, sum);
    }
    add_block<R>(sum, b, row);
  }
}

/// The first R rows of a block in FP8: leaves its pairs of BF16 to the tiles that follow. Widening
/// and its stores, which take as long as two rows' products by themselves, go beside products here.
template <int R, int kLines>
void run_widening_tile(const BlockArgs& b, int64_t next_rows, Ahead& ahead) {
  constexpr int kGroups = kUnroll / 2;  // of 4 columns, that fetch one piece together
  Fetches fetches;
  const uint8_t* next = ahead.take(b.steps * kLines * 64);
  fetches.plan<Pairs>(b, R, next_rows);
  const E4M3Table table = *b.table;
  const std::byte* x[R];
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) x[r] = b.x[r] + b.offset;
  __m512 sum[R][kVectors] = {};
  const uint8_t* codes = b.codes;
  uint8_t* pairs = b.widened;
  const auto group = [&](int64_t g) __attribute__((always_inline)) {
    __m512i w[2][kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      widen(table, _mm512_load_si512(codes + v * 64), w[0][v], w[1][v]);
      _mm512_store_si512(pairs + v * 64, w[0][v]);
      _mm512_store_si512(pairs + 256 + v * 64, w[1][v]);
    }
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) {
        const __m512i pair = Pairs::load(x[r], 2 * g + half);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
          sum[r][v] = Pairs::multiply_add(sum[r][v], w[half][v], pair);
        }
      }
    }
    codes += 256;
    pairs += 512;
  };
  const int64_t unrolled = b.steps / kUnroll;
  for (int64_t i = 0; i < unrolled; ++i) {
    const auto* fetch = static_cast<const uint8_t*>(fetches.piece[i]);
#pragma GCC unroll 2
    for (int u = 0; u < kGroups; ++u) {
      _mm_prefetch(fetch + 2 * u * 64, _MM_HINT_T0);
      _mm_prefetch(fetch + (2 * u + 1) * 64, _MM_HINT_T0);
#pragma GCC unroll 4
      for (int line = 0; line < 2 * kLines; ++line) {
        _mm_prefetch(next + ((i * kGroups + u) * 2 * kLines + line) * 64, _MM_HINT_T1);
      }
      group(i * kGroups + u);
    }
  }
  for (int64_t g = unrolled * kGroups; g < ceil_div(b.steps, 2); ++g) group(g);
  add_block<R>(sum, b, 0);
}

using TilesFunction = void (*)(const BlockArgs&, int64_t, int64_t, Ahead&);
template <typename Kind, int kLines>
constexpr TilesFunction kTiles[kTileRows + 1] = {nullptr,
                                                 run_tiles<Kind, 1, kLines>,
                                                 run_tiles<Kind, 2, kLines>,
                                                 run_tiles<Kind, 3, kLines>,
                                                 run_tiles<Kind, 4, kLines>,
                                                 run_tiles<Kind, 5, kLines>,
                                                 run_tiles<Kind, 6, kLines>};

using WideningFunction = void (*)(const BlockArgs&, int64_t, Ahead&);
template <int kLines>
constexpr WideningFunction kWideningTiles[kWideningRows + 1] = {
    nullptr, run_widening_tile<1, kLines>, run_widening_tile<2, kLines>,
    run_widening_tile<3, kLines>, run_widening_tile<4, kLines>};

/// All rows: in tiles as equal as can be, the larger ones first, but for the one that widens.
template <typename Kind>
void block_product(const BlockArgs& b, Ahead ahead) {
  int64_t row = b.codes ? std::min<int64_t>(b.rows, kWideningRows) : 0;
  const int64_t tiles = ceil_div(b.rows - row, kTileRows);
  const int64_t small = tiles > 0 ? (b.rows - row) / tiles : 0;  // rows of a tile
  const int64_t middle = row + (tiles > 0 ? (b.rows - row) % tiles * (small + 1) : 0);
  const int64_t all_tiles = tiles + (b.codes ? 1 : 0);
  const bool one_line = ahead.end - ahead.next <= all_tiles * b.steps * 64;
  if (b.codes) {
    const int64_t next_rows = std::max<int64_t>(row < middle ? small + 1 : small, 1);
    (one_line ? kWideningTiles<1> : kWideningTiles<2>)[row](b, next_rows, ahead);
  }
  while (row < b.rows && ahead.next < ahead.end) {
    const int64_t rows = row < middle ? small + 1 : small;
    (one_line ? kTiles<Kind, 1> : kTiles<Kind, 2>)[rows](b, row, row + rows, ahead);
    row += rows;
  }
  if (row < middle) kTiles<Kind, 0>[small + 1](b, row, middle, ahead);
  if (row < b.rows) kTiles<Kind, 0>[small](b, std::max(row, middle), b.rows, ahead);
}

/// FP8 of one block to pairs of BF16.
void widen_to_pairs(const uint8_t* codes, int64_t columns, const E4M3Table& shared_table,
                    uint8_t* pairs) {
  const E4M3Table table = shared_table;
  for (int64_t g = 0; g < ceil_div(columns, 4); ++g) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      __m512i k01, k23;
      widen(table, _mm512_load_si512(codes + g * 256 + v * 64), k01, k23);
      _mm512_store_si512(pairs + g * 512 + v * 64, k01);
      _mm512_store_si512(pairs + g * 512 + 256 + v * 64, k23);
    }
  }
}

/// Pairs of BF16 of one block to floats.
void widen_to_floats(const uint8_t* pairs, int64_t columns, uint8_t* floats) {
  for (int64_t p = 0; p < ceil_div(columns, 2); ++p) {
    for (int v = 0; v < kVectors; ++v) {
      const __m512i w = _mm512_load_si512(pairs + p * 256 + v * 64);
      uint8_t* out = floats + p * 512 + v * 64;
      _mm512_store_si512(out, _mm512_slli_epi32(w, 16));
      _mm512_store_si512(out + 256,
                         _mm512_and_si512(w, _mm512_set1_epi32(static_cast<int>(0xFFFF0000u))));
    }
  }
}

}  // namespace
}  // namespace fathom::avx512
