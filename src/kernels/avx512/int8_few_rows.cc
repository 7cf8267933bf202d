// INT8 products of a few rows, as in decode: bound by the memory. As few_rows.cc, whose notes say
// why several panels go side by side and lines are asked for early.
#include <algorithm>
#include <cstring>

#include "kernels/avx512/int8.h"

namespace fathom::avx512 {
namespace {

// Bytes that are asked for early, in each panel: with the scales between a block's codes and the
// next one's.
constexpr int64_t kAhead = 2048 + (kInt8Block - kInt8Codes);
constexpr int kSideBySide[kStreamedRows + 1] = {0, 4, 2, 2, 1, 1, 1};  // panels, by rows

/// Panels that follow each other, side by side.
struct Walk {
  const Activations& x;
  int64_t blocks;
  const uint8_t* weights;  // the first panel
  size_t panel_bytes;
  float* totals;  // [panels][rows][64]
};

/// P panels against R rows: all of K.
template <int R, int P>
void walk_panels(const Walk& walk) {
  const Int8Rows& rows = walk.x.int8;
  const size_t panel_bytes = walk.panel_bytes;
  const uint8_t* weights = walk.weights;
  float* totals = walk.totals;
  int64_t row[R];
  for (int r = 0; r < R; ++r) row[r] = row_of(walk.x, r);
  std::memset(totals, 0, sizeof(float) * P * R * kPanelFloats);
  for (int64_t block = 0; block < walk.blocks; ++block, weights += kInt8Block) {
    const int8_t* x[R];
    Sums16 sum[P][R][kVectors];
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r) {
      x[r] = rows.at(row[r], block);
      const auto offset = (Sums16)_mm512_set1_epi32(rows.scale(row[r], block).offset);
#pragma GCC unroll 16
      for (int i = 0; i < P * kVectors; ++i) sum[i / kVectors][r][i % kVectors] = offset;
    }
    for (int64_t g = 0; g < kInt8Groups; ++g) {
#pragma GCC unroll 4
      for (int p = 0; p < P; ++p) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
          const uint8_t* at =
              weights + static_cast<size_t>(p) * panel_bytes + g * kInt8GroupBytes + v * 64;
          _mm_prefetch(at + kAhead, _MM_HINT_T1);
          const __m512i w = _mm512_load_si512(at);
#pragma GCC unroll 6
          for (int r = 0; r < R; ++r) {
            sum[p][r][v] = add_fours(sum[p][r][v], w, four_codes(x[r], g));
          }
        }
      }
    }
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        const __m512 scale = weight_scales(weights + static_cast<size_t>(p) * panel_bytes, v);
#pragma GCC unroll 6
        for (int r = 0; r < R; ++r) {
          float* total = totals + (p * R + r) * kPanelFloats + v * 16;
          const __m512 x_scale = _mm512_set1_ps(rows.scale(row[r], block).scale);
          _mm512_store_ps(total,
                          add_scaled(_mm512_load_ps(total), (__m512i)sum[p][r][v], scale, x_scale));
        }
      }
    }
  }
}

using WalkFunction = void (*)(const Walk&);
constexpr WalkFunction kWalks[kStreamedRows + 1][5] = {
    {},
    {nullptr, walk_panels<1, 1>, walk_panels<1, 2>, walk_panels<1, 3>, walk_panels<1, 4>},
    {nullptr, walk_panels<2, 1>, walk_panels<2, 2>},
    {nullptr, walk_panels<3, 1>, walk_panels<3, 2>},
    {nullptr, walk_panels<4, 1>},
    {nullptr, walk_panels<5, 1>},
    {nullptr, walk_panels<6, 1>}};

}  // namespace

void int8_few_rows(const Activations& x, const WeightView& w, int64_t first, int64_t last,
                   Mat<float> y) {
  alignas(64) float totals[8 * kPanelFloats];
  const size_t bytes = int8_panel_bytes(w.cols);
  const auto* data = static_cast<const uint8_t*>(w.data);
  const int64_t rows = x.rows();
  const int64_t side = kSideBySide[rows];
  const int64_t origin = first;  // y's column 0
  for (; first < last; first += side * kPanelRows) {
    const int64_t panels = std::min(side, ceil_div(last - first, kPanelRows));
    kWalks[rows][panels]({x, ceil_div(w.cols, kScaleBlock),
                          data + static_cast<size_t>(first / kPanelRows) * bytes, bytes, totals});
    for (int64_t i = 0; i < rows * panels; ++i) {
      const int64_t begin = first + i / rows * kPanelRows;
      std::memcpy(y.row(i % rows) + (begin - origin), totals + i * kPanelFloats,
                  static_cast<size_t>(std::min(kPanelRows, last - begin)) * sizeof(float));
    }
  }
}

}  // namespace fathom::avx512
