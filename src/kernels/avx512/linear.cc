// y = x W^T, 64 rows of W (a panel) at a time: lanes run over the rows of W, activations are
// broadcast. Each output adds its products in the order of K inside a block of 128 and each block's
// sum, scaled, to its total: the same whatever the number of rows of x.
#include <algorithm>
#include <cstring>

#include "kernels/avx512/int8.h"
#include "kernels/avx512/pack.h"
#include "kernels/avx512/rows.h"
#include "kernels/avx512/table.h"
#include "kernels/panel.h"
#include "tensor/buffer.h"

namespace fathom::avx512 {
namespace {

// NOTES: 6 x 4 accumulators leave 8 registers for weights and broadcasts; 24 chains cover the dot
// product's latency of 6 at 2 a cycle, and a step of K asks 10 loads of the 24 that would fit.
constexpr int kTileRows = 6;
constexpr int kWideningRows = 4;
constexpr int64_t kFewRows = 16;  // up to so many stay in the first cache by themselves
constexpr int64_t kManyRows =
    96;  // more of them lie beyond the second cache: to be fetched into it
constexpr int64_t kManyAhead = 48;  // as many rows early
constexpr int64_t kBlock = kScaleBlock;
constexpr int64_t kFetched = 8192;  // bytes that a tile fetches ahead: a block of FP8
constexpr int64_t kPackChunk =
    512;  // columns packed at a time from a row-major matrix: 32 KB of FP8

/// One block of up to 128 columns of a panel, against some rows of x.
struct Tile {
  const uint8_t* weights;  // panel bytes, or widened BF16 pairs or floats
  int64_t columns;         // of this block
  const void* const* x;    // the rows, at the block's first column
  const float* scale;      // one for each row: weight scale x activation scale
  float* total;            // [rows, 64]
  const uint8_t* ahead;    // the panel's next block of FP8 codes, 8 KB to fetch meanwhile, or null
};

/// A tile's worth of rows that will be needed soon.
struct NextRows {
  const std::byte* x[kTileRows];
  const float* total;
  int count;

  template <auto kHint>
  void fetch_x(int64_t row_bytes) const {
    for (int i = 0; i < count; ++i) {
      for (int64_t byte = 0; byte < row_bytes; byte += 64) _mm_prefetch(x[i] + byte, kHint);
    }
  }
  void fetch_totals() const {
    for (int i = 0; i < count * kVectors; ++i) _mm_prefetch(total + i * 16, _MM_HINT_T0);
  }
};

template <int R>
inline __attribute__((always_inline)) void add_block(const __m512 sum[R][kVectors],
                                                     const Tile& tile) {
#pragma GCC unroll 6
  for (int r = 0; r < R; ++r) {
    const __m512 scale = _mm512_set1_ps(tile.scale[r]);
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      float* total = tile.total + r * kPanelFloats + v * 16;
      _mm512_store_ps(total, _mm512_fmadd_ps(sum[r][v], scale, _mm512_load_ps(total)));
    }
  }
}

/// The tile's pointers in registers: stores through a byte pointer would make them be read again.
template <int R>
struct Local {
  const uint8_t* weights;
  const void* x[R];

  explicit Local(const Tile& tile) : weights(tile.weights) {
    for (int r = 0; r < R; ++r) x[r] = tile.x[r];
  }
};

/// FP8 weights straight from the panel, for as many rows as memory hides. With kKeep the widened
/// pairs are stored for the tiles that follow.
template <int R, bool kKeep>
void fp8_tile(const Tile& tile, const E4M3Table& shared_table, uint8_t* widened) {
  const E4M3Table table = shared_table;
  __m512 sum[R][kVectors] = {};
  const Local<R> local(tile);
  const int64_t groups = (tile.columns + 3) / 4;
  for (int64_t g = 0; g < groups; ++g) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      __m512i k01, k23;
      widen(table, _mm512_load_si512(local.weights + g * 256 + v * 64), k01, k23);
      if (kKeep) {
        _mm512_store_si512(widened + g * 512 + v * 64, k01);
        _mm512_store_si512(widened + g * 512 + 256 + v * 64, k23);
      }
#pragma GCC unroll 6
      for (int r = 0; r < R; ++r) {
        sum[r][v] = _mm512_dpbf16_ps(sum[r][v], (__m512bh)k01, pair(local.x[r], 2 * g));
      }
#pragma GCC unroll 6
      for (int r = 0; r < R; ++r) {
        sum[r][v] = _mm512_dpbf16_ps(sum[r][v], (__m512bh)k23, pair(local.x[r], 2 * g + 1));
      }
    }
  }
  add_block<R>(sum, tile);
}

/// BF16 pairs [columns / 2][64]. With kAhead the panel's next codes are on their way meanwhile:
/// arithmetic on what lies in the cache would leave the memory idle.
template <int R, bool kAhead>
void bf16_tile(const Tile& tile) {
  __m512 sum[R][kVectors] = {};
  const Local<R> local(tile);
  const uint8_t* ahead = tile.ahead;
  const int64_t pairs = (tile.columns + 1) / 2;
  for (int64_t p = 0; p < pairs; ++p) {
    if (kAhead) {
      _mm_prefetch(ahead + p * 128, _MM_HINT_T0);
      _mm_prefetch(ahead + p * 128 + 64, _MM_HINT_T0);
    }
    __m512bh w[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      w[v] = (__m512bh)_mm512_load_si512(local.weights + p * 256 + v * 64);
    }
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r) {
      const __m512bh x = pair(local.x[r], p);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[r][v] = _mm512_dpbf16_ps(sum[r][v], w[v], x);
    }
  }
  add_block<R>(sum, tile);
}

/// Floats [columns][64].
template <int R>
void f32_tile(const Tile& tile) {
  __m512 sum[R][kVectors] = {};
  const Local<R> local(tile);
  for (int64_t k = 0; k < tile.columns; ++k) {
    __m512 w[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) w[v] = _mm512_load_ps(local.weights + k * 256 + v * 64);
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r) {
      const __m512 x = _mm512_set1_ps(static_cast<const float*>(local.x[r])[k]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[r][v] = _mm512_fmadd_ps(w[v], x, sum[r][v]);
    }
  }
  add_block<R>(sum, tile);
}

/// FP8 pairs of one block to BF16 or, from either, to floats.
void widen_fp8_block(const uint8_t* codes, int64_t columns, const E4M3Table& table,
                     uint8_t* floats) {
  for (int64_t g = 0; g < (columns + 3) / 4; ++g) {
    for (int v = 0; v < kVectors; ++v) {
      __m512i k01, k23;
      widen(table, _mm512_load_si512(codes + g * 256 + v * 64), k01, k23);
      const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xFFFF0000u));
      uint8_t* out = floats + g * 1024 + v * 64;
      _mm512_store_si512(out, _mm512_slli_epi32(k01, 16));
      _mm512_store_si512(out + 256, _mm512_and_si512(k01, upper));
      _mm512_store_si512(out + 512, _mm512_slli_epi32(k23, 16));
      _mm512_store_si512(out + 768, _mm512_and_si512(k23, upper));
    }
  }
}

void widen_bf16_block(const uint8_t* pairs, int64_t columns, uint8_t* floats) {
  for (int64_t p = 0; p < (columns + 1) / 2; ++p) {
    for (int v = 0; v < kVectors; ++v) {
      const __m512i w = _mm512_load_si512(pairs + p * 256 + v * 64);
      uint8_t* out = floats + p * 512 + v * 64;
      _mm512_store_si512(out, _mm512_slli_epi32(w, 16));
      _mm512_store_si512(out + 256,
                         _mm512_and_si512(w, _mm512_set1_epi32(static_cast<int>(0xFFFF0000u))));
    }
  }
}

using TileFunction = void (*)(const Tile&);
using Fp8TileFunction = void (*)(const Tile&, const E4M3Table&, uint8_t*);
template <bool kAhead>
constexpr TileFunction kBf16Tiles[] = {nullptr,
                                       bf16_tile<1, kAhead>,
                                       bf16_tile<2, kAhead>,
                                       bf16_tile<3, kAhead>,
                                       bf16_tile<4, kAhead>,
                                       bf16_tile<5, kAhead>,
                                       bf16_tile<6, kAhead>};
constexpr TileFunction kF32Tiles[] = {nullptr,     f32_tile<1>, f32_tile<2>, f32_tile<3>,
                                      f32_tile<4>, f32_tile<5>, f32_tile<6>};
constexpr Fp8TileFunction kFp8Tiles[] = {nullptr,
                                         fp8_tile<1, false>,
                                         fp8_tile<2, false>,
                                         fp8_tile<3, false>,
                                         fp8_tile<4, false>,
                                         fp8_tile<5, false>,
                                         fp8_tile<6, false>};
/// A thread's working memory.
struct Scratch {
  Buffer packed{size_t{kPanelRows} * kPackChunk};   // one chunk of a row-major matrix
  Buffer widened{size_t{kPanelRows} * kBlock * 4};  // one block as BF16 pairs or floats
  Buffer totals;                                    // [rows of x, 64]
  const E4M3Table table = make_e4m3_table();

  float* zeroed_totals(int64_t rows) {
    const auto bytes = static_cast<size_t>(rows * kPanelRows) * sizeof(float);
    if (totals.size() < bytes) totals = Buffer(bytes);
    std::memset(totals.data(), 0, bytes);
    return totals.as<float>();
  }
};

Scratch& scratch() {
  thread_local Scratch instance;
  return instance;
}

/// All rows of x against one block. `block` is its number along K, `weights` its panel bytes.
struct BlockArgs {
  const Rows& rows;
  const uint8_t* weights;
  int64_t block;
  int64_t columns;
  float scale;
  bool fp8;  // else BF16 pairs, or floats where `floats`
  bool floats;
  const uint8_t* next_weights;  // the next block's in the same panel, or null
};

/// How many rows the tile at row `done` takes: the first tile of FP8 is smaller, since widening
/// takes registers; the others are equal.
int tile_rows(int64_t left, bool fp8) {
  if (fp8 && left > kTileRows) return kWideningRows;
  return static_cast<int>(ceil_div(left, ceil_div(left, kTileRows)));
}

/// Up to a tile of rows beginning at row `first`; past the last, those of the next block.
NextRows next_rows(const BlockArgs& args, int64_t first, const float* totals) {
  const Rows& rows = args.rows;
  NextRows next{};
  const bool wraps = first >= rows.count;
  if (wraps && args.next_weights == nullptr) return next;
  if (wraps) first -= rows.count;
  next.total = totals + first * kPanelFloats;
  next.count = static_cast<int>(std::min<int64_t>(kTileRows, rows.count - first));
  for (int i = 0; i < next.count; ++i) {
    next.x[i] = rows.at(first + i, args.block + (wraps ? 1 : 0));
  }
  return next;
}

void fetch_rows(const BlockArgs& args, int64_t first, const float* totals) {
  const int64_t row_bytes = args.columns * (args.floats ? 4 : 2);
  if (args.rows.count > kFewRows) {
    const NextRows next = next_rows(args, first, totals);
    next.fetch_x<_MM_HINT_T0>(row_bytes);
    next.fetch_totals();
  }
  if (args.rows.count > kManyRows) {
    next_rows(args, first + kManyAhead, totals).fetch_x<_MM_HINT_T1>(row_bytes);
  }
}

void block_product(const BlockArgs& args, Scratch& memory, float* totals) {
  const Rows& rows = args.rows;
  const uint8_t* weights = args.weights;
  const uint8_t* ahead = nullptr;
  bool fp8 = args.fp8;
  for (int64_t done = 0; done < rows.count;) {
    const bool widens = fp8 && rows.count - done > kTileRows;
    const int r = tile_rows(rows.count - done, fp8);
    const void* x[kTileRows];
    float scale[kTileRows];
    for (int i = 0; i < r; ++i) {
      x[i] = rows.at(done + i, args.block);
      scale[i] = args.scale * rows.scale(done + i, args.block);
    }
    fetch_rows(args, done + r, totals);
    const Tile tile{weights, args.columns, x, scale, totals + done * kPanelFloats, ahead};
    ahead = nullptr;
    if (args.floats) {
      kF32Tiles[r](tile);
    } else if (!fp8) {
      (tile.ahead ? kBf16Tiles<true> : kBf16Tiles<false>)[r](tile);
      // BF16 weights: a block is twice what one tile fetches ahead.
      if (!args.fp8 && done == 0) ahead = args.next_weights;
      if (!args.fp8 && tile.ahead == args.next_weights && tile.ahead) ahead = tile.ahead + kFetched;
    } else if (!widens) {
      kFp8Tiles[r](tile, memory.table, nullptr);
    } else {
      fp8_tile<kWideningRows, true>(tile, memory.table, memory.widened.as<uint8_t>());
      weights = memory.widened.as<uint8_t>();
      ahead = args.next_weights;
      fp8 = false;
    }
    done += r;
  }
}

/// Whether a product takes its activations, and so its weights, as floats.
bool takes_floats(const Activations& x, const WeightView& w) {
  return w.dtype == DType::kF32 || x.numerics == Numerics::kExact ||
         (x.numerics == Numerics::kW8A8 && w.dtype != DType::kF8E4M3);
}

/// One panel: totals [rows, 64] of x against rows first .. first + 63 of w.
void panel_product(const Rows& rows, bool floats, const WeightView& w, int64_t first,
                   float* totals) {
  Scratch& memory = scratch();
  const bool fp8 = w.dtype == DType::kF8E4M3;
  const auto element = static_cast<int64_t>(dtype_size(w.dtype));
  const int64_t row_bytes = w.cols * element;
  const int64_t chunk = w.layout == WeightLayout::kPanels ? w.cols : kPackChunk / element;
  const auto* data = static_cast<const uint8_t*>(w.data);

  for (int64_t begin = 0; begin < w.cols; begin += chunk) {
    const int64_t end = std::min(begin + chunk, w.cols);
    const uint8_t* panel = memory.packed.as<uint8_t>();
    if (w.layout == WeightLayout::kPanels) {
      panel = data + static_cast<size_t>(first / kPanelRows) * panel_bytes(row_bytes);
    } else {
      pack({data + first * row_bytes + begin * element, row_bytes,
            std::min(w.rows - first, kPanelRows), (end - begin) * element, fp8},
           memory.packed.as<uint8_t>());
    }
    for (int64_t k = begin; k < end; k += kBlock) {
      const int64_t columns = std::min(kBlock, end - k);
      const uint8_t* codes = panel + (k - begin) * element * kPanelRows;
      const uint8_t* weights = codes;
      const float scale =
          w.scale ? w.scale[first / kScaleBlock * w.scale_cols() + k / kScaleBlock] : 1.0f;
      if (floats && w.dtype != DType::kF32) {
        uint8_t* widened = memory.widened.as<uint8_t>();
        if (fp8) {
          widen_fp8_block(weights, columns, memory.table, widened);
        } else {
          widen_bf16_block(weights, columns, widened);
        }
        weights = widened;
      }
      // Of a panel in place; a chunk packed just now is in the cache anyway.
      const bool more = w.layout == WeightLayout::kPanels && k + 2 * kBlock <= w.cols;
      block_product({rows, weights, k / kBlock, columns, scale, fp8 && !floats, floats,
                     more ? codes + kBlock * element * kPanelRows : nullptr},
                    memory, totals);
    }
  }
}

}  // namespace

void linear(const Activations& x, const WeightView& w, int64_t first, int64_t last, Mat<float> y) {
  FATHOM_CHECK(first % kPanelRows == 0);
  if (w.dtype == DType::kI8) return int8_linear(x, w, first, last, y);
  const bool floats = takes_floats(x, w);
  if (!floats && w.layout == WeightLayout::kPanels && x.rows() <= kStreamedRows) {
    return few_rows(x, w, first, last, y);
  }
  const Rows rows = rows_of(x, floats, x.numerics == Numerics::kW8A8 && w.dtype == DType::kF8E4M3);
  const int64_t origin = first;  // y's column 0
  for (; first < last; first += kPanelRows) {
    float* totals = scratch().zeroed_totals(x.rows());
    panel_product(rows, floats, w, first, totals);
    const auto count = static_cast<size_t>(std::min(last - first, kPanelRows));
    for (int64_t r = 0; r < x.rows(); ++r) {
      std::memcpy(y.row(r) + (first - origin), totals + r * kPanelFloats, count * sizeof(float));
    }
  }
}

void pack_panel(const WeightView& w, int64_t panel, std::byte* out) {
  const int64_t row_bytes = w.cols * static_cast<int64_t>(dtype_size(w.dtype));
  const int64_t first = panel * kPanelRows;
  pack({static_cast<const uint8_t*>(w.data) + first * row_bytes, row_bytes,
        std::min(w.rows - first, kPanelRows), row_bytes, w.dtype == DType::kF8E4M3},
       reinterpret_cast<uint8_t*>(out));
}

}  // namespace fathom::avx512
