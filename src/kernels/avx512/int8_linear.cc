// INT8 products of many rows: 64 rows of W (a panel) at a time, lanes run over the rows of W, four
// codes of x are broadcast.
//
// NOTES: 6 x 4 sums leave 8 registers for weights and broadcasts; a step asks 10 loads for 24
// products. Some rows go through a whole panel before the next ones do: their totals (12 KB), their
// block of codes (6 KB) and the panel's block (8 KB) stay in the first cache, the panel (466 KB at
// width 7168) in the second. The panel's next block is fetched meanwhile, a few lines a step: for
// the first rows it comes from the memory.
#include <algorithm>
#include <cstring>
#include <limits>

#include "kernels/avx512/int8.h"

namespace fathom::avx512 {
namespace {

constexpr int kTileRows = 6;
constexpr int64_t kRowsAtOnce = 48;
constexpr int64_t kLine = 64;

/// One block of a panel against some rows of x.
struct Tile {
  const uint8_t* weights;
  const int8_t* x[kTileRows];
  const Int8Scale* scales[kTileRows];
  int64_t next_x;        // bytes from a row's block to its next one
  float* total;          // [rows, 64]
  const uint8_t* ahead;  // what to fetch meanwhile
};

/// kLines: of `ahead`, fetched in each step.
template <int R, int kLines>
void multiply(const Tile& tile) {
  Sums16 sum[R][kVectors];
  const int8_t* x[R];
#pragma GCC unroll 6
  for (int r = 0; r < R; ++r) {
    x[r] = tile.x[r];
    _mm_prefetch(x[r] + tile.next_x, _MM_HINT_T0);
    _mm_prefetch(x[r] + tile.next_x + kLine, _MM_HINT_T0);
    const auto offset = (Sums16)_mm512_set1_epi32(tile.scales[r]->offset);
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[r][v] = offset;
  }
  const uint8_t* weights = tile.weights;
  const uint8_t* ahead = tile.ahead;
  for (int64_t g = 0; g < kInt8Groups; ++g) {
#pragma GCC unroll 4
    for (int i = 0; i < kLines; ++i) {
      // With few tiles a block they are many at once, more than the first cache waits for.
      _mm_prefetch(ahead + i * kLine, kLines > 1 ? _MM_HINT_T1 : _MM_HINT_T0);
    }
    ahead += kLines * kLine;
    __m512i w[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) w[v] = _mm512_load_si512(weights + v * 64);
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r) {
      const __m512i codes = four_codes(x[r], g);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sum[r][v] = add_fours(sum[r][v], w[v], codes);
    }
    weights += kInt8GroupBytes;
  }
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    const __m512 scale = weight_scales(tile.weights, v);
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r) {
      float* total = tile.total + r * kPanelFloats + v * 16;
      _mm512_store_ps(total, add_scaled(_mm512_load_ps(total), (__m512i)sum[r][v], scale,
                                        _mm512_set1_ps(tile.scales[r]->scale)));
    }
  }
}

using TileFunction = void (*)(const Tile&);
template <int kLines>
constexpr TileFunction kTiles[] = {nullptr,
                                   multiply<1, kLines>,
                                   multiply<2, kLines>,
                                   multiply<3, kLines>,
                                   multiply<4, kLines>,
                                   multiply<5, kLines>,
                                   multiply<6, kLines>};

/// Lines that a step fetches so that a block is there after `tiles` tiles.
TileFunction tile_function(int64_t rows, int64_t lines) {
  return (lines == 0   ? kTiles<0>
          : lines == 1 ? kTiles<1>
          : lines == 2 ? kTiles<2>
                       : kTiles<4>)[rows];
}

/// A block of a panel against rows [first, first + count) of x.
struct BlockArgs {
  const Activations& x;
  const uint8_t* weights;
  const uint8_t* ahead;
  int64_t block;
  bool last;  // of x
  int64_t first, count;
};

void block_product(const BlockArgs& args, float* totals) {
  const Int8Rows& rows = args.x.int8;
  const int64_t tiles = ceil_div(args.count, kTileRows);
  const int64_t lines = tiles >= 4 ? 1 : tiles >= 2 ? 2 : 4;
  const uint8_t* ahead = args.ahead;
  const uint8_t* const ahead_end = ahead + kInt8Codes;
  for (int64_t done = 0, left = tiles; done < args.count; --left) {
    const int64_t count = ceil_div(args.count - done, left);
    Tile tile;
    tile.weights = args.weights;
    tile.next_x = args.last ? 0 : rows.block_rows * kScaleBlock;
    tile.total = totals + done * kPanelFloats;
    tile.ahead = ahead;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t row = row_of(args.x, args.first + done + i);
      tile.x[i] = rows.at(row, args.block);
      tile.scales[i] = &rows.scale(row, args.block);
    }
    const bool fetches = ahead < ahead_end;
    tile_function(count, fetches ? lines : 0)(tile);
    if (fetches) ahead += lines * kInt8Groups * kLine;
    done += count;
  }
}

}  // namespace

void int8_linear(const Activations& x, const WeightView& w, int64_t first, int64_t last,
                 Mat<float> y) {
  FATHOM_CHECK(x.numerics == Numerics::kInt8 && w.layout == WeightLayout::kPanels);
  if (x.rows() <= kStreamedRows) return int8_few_rows(x, w, first, last, y);
  alignas(64) float totals[kRowsAtOnce * kPanelFloats];
  const int64_t blocks = ceil_div(w.cols, kScaleBlock);
  const int64_t origin = first;  // y's column 0
  for (; first < last; first += kPanelRows) {
    const uint8_t* panel = static_cast<const uint8_t*>(w.data) +
                           static_cast<size_t>(first / kPanelRows) * int8_panel_bytes(w.cols);
    const auto outputs = static_cast<size_t>(std::min(last - first, kPanelRows));
    for (int64_t row = 0; row < x.rows(); row += kRowsAtOnce) {
      const int64_t count = std::min(kRowsAtOnce, x.rows() - row);
      std::memset(totals, 0, static_cast<size_t>(count * kPanelFloats) * sizeof(float));
      for (int64_t b = 0; b < blocks; ++b) {
        const uint8_t* weights = panel + b * kInt8Block;
        const bool end = b + 1 == blocks;
        const bool again = end && row + count < x.rows();  // the next rows take the panel once more
        block_product({x, weights, again ? panel : weights + kInt8Block, b, end, row, count},
                      totals);
      }
      for (int64_t r = 0; r < count; ++r) {
        std::memcpy(y.row(row + r) + (first - origin), totals + r * kPanelFloats,
                    outputs * sizeof(float));
      }
    }
  }
}

Int8Scale quantize_int8(std::span<const float> x, int8_t* codes) {
  constexpr int kParts = kScaleBlock / 16;
  __m512 values[kParts];
  __m512i top_bits = _mm512_setzero_si512();
  for (int i = 0; i < kParts; ++i) {
    values[i] =
        _mm512_maskz_loadu_ps(first16(static_cast<int64_t>(x.size()) - i * 16), x.data() + i * 16);
    // Of positive floats, order is that of their bits, NaN last.
    top_bits = _mm512_max_epi32(
        top_bits, _mm512_and_si512(_mm512_castps_si512(values[i]), _mm512_set1_epi32(0x7FFFFFFF)));
  }
  const float top =
      _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(_mm512_reduce_max_epi32(top_bits))));
  const bool finite = top < std::numeric_limits<float>::infinity();
  if (!finite || top < kLeastInt8) {
    std::memset(codes, 0, kScaleBlock);
    return {finite ? 0.0f : std::numeric_limits<float>::quiet_NaN(), 0};
  }
  const __m512 inverse = _mm512_set1_ps(127.0f / top);
  __m512i sum = _mm512_setzero_si512();
  for (int i = 0; i < kParts; ++i) {
    const __m512i code = _mm512_cvtps_epi32(_mm512_mul_ps(values[i], inverse));
    sum = _mm512_add_epi32(sum, code);
    _mm_store_si128(reinterpret_cast<__m128i*>(codes + i * 16), _mm512_cvtepi32_epi8(code));
  }
  return {top / 127.0f, -kInt8Offset * _mm512_reduce_add_epi32(sum)};
}

}  // namespace fathom::avx512
