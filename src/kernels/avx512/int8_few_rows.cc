// INT8 products of a few rows, as in decode: bound by the memory. As few_rows.cc, whose notes say
// why several panels go side by side and lines are asked for early.
#include <algorithm>
#include <cstring>

#include "kernels/avx512/int8.h"

namespace fathom::avx512 {
namespace {

constexpr int64_t kWalk = kStreamedPanels;
constexpr int64_t kTurn = 8;  // groups until the next panels have their turn
// In bytes: a turn, and the scales that lie between a block's codes and the next one's.
constexpr int64_t kAhead = kTurn * kInt8GroupBytes + (kInt8Block - kInt8Codes);
constexpr int kSideBySide[kStreamedRows + 1] = {0, 4, 2, 2, 1, 1, 1};  // panels, by rows

/// Some groups of some panels.
struct Advance {
  const uint8_t* weights;  // the first panel's
  size_t panel_bytes;
  int64_t groups;
  const int8_t* const* x;  // rows, at the first group
  int32_t* sums;           // [panels][rows][64], continued
};

/// P panels against R rows.
template <int R, int P>
void advance(const Advance& a) {
  Sums16 sum[P][R][kVectors];
  const int8_t* x[R];
  for (int r = 0; r < R; ++r) x[r] = a.x[r];
#pragma GCC unroll 24
  for (int i = 0; i < P * R * kVectors; ++i) {
    sum[i / kVectors / R][i / kVectors % R][i % kVectors] =
        (Sums16)_mm512_load_si512(a.sums + i * 16);
  }
  const uint8_t* weights = a.weights;
  const size_t panel_bytes = a.panel_bytes;
  for (int64_t g = 0; g < a.groups; ++g) {
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        const uint8_t* at = weights + static_cast<size_t>(p) * panel_bytes + v * 64;
        _mm_prefetch(at + kAhead, _MM_HINT_T0);
        const __m512i w = _mm512_load_si512(at);
#pragma GCC unroll 6
        for (int r = 0; r < R; ++r) {
          sum[p][r][v] = add_fours(sum[p][r][v], w, four_codes(x[r], g));
        }
      }
    }
    weights += kInt8GroupBytes;
  }
#pragma GCC unroll 24
  for (int i = 0; i < P * R * kVectors; ++i) {
    _mm512_store_si512(a.sums + i * 16,
                       (__m512i)sum[i / kVectors / R][i / kVectors % R][i % kVectors]);
  }
}

using AdvanceFunction = void (*)(const Advance&);
constexpr AdvanceFunction kAdvance[kStreamedRows + 1][kWalk + 1] = {
    {},
    {nullptr, advance<1, 1>, advance<1, 2>, advance<1, 3>, advance<1, 4>},
    {nullptr, advance<2, 1>, advance<2, 2>},
    {nullptr, advance<3, 1>, advance<3, 2>},
    {nullptr, advance<4, 1>},
    {nullptr, advance<5, 1>},
    {nullptr, advance<6, 1>}};

/// A thread's working memory: [panels][rows][64] of the block at hand, and of all before it.
struct Sums {
  static constexpr size_t kCount = kWalk * kStreamedRows * kPanelFloats;
  alignas(64) int32_t block[kCount];
  alignas(64) float total[kCount];
};

/// Up to kWalk panels, side by side.
struct Walk {
  const Activations& x;
  const uint8_t* weights;  // the first panel's
  size_t panel_bytes;
  int64_t panels;

  int64_t rows() const { return x.rows(); }
};

/// Block `block` of all the walk's panels, from its beginning to its end.
void sum_block(const Walk& walk, int64_t block, Sums& sums) {
  const uint8_t* weights = walk.weights + block * kInt8Block;
  const int64_t side = kSideBySide[walk.rows()];
  const int64_t turn = walk.panels <= side ? kInt8Groups : kTurn;
  const int8_t* x[kStreamedRows];
  for (int64_t r = 0; r < walk.rows(); ++r) {
    const int64_t row = row_of(walk.x, r);
    x[r] = walk.x.int8.at(row, block);
    for (int64_t panel = 0; panel < walk.panels; ++panel) {
      std::fill_n(sums.block + (panel * walk.rows() + r) * kPanelFloats, kPanelFloats,
                  walk.x.int8.scale(row, block).offset);
    }
  }
  for (int64_t g = 0; g < kInt8Groups; g += turn) {
    for (int64_t panel = 0; panel < walk.panels; panel += side) {
      const int64_t count = std::min(side, walk.panels - panel);
      const Advance next{
          weights + static_cast<size_t>(panel) * walk.panel_bytes + g * kInt8GroupBytes,
          walk.panel_bytes, turn, x, sums.block + panel * walk.rows() * kPanelFloats};
      kAdvance[walk.rows()][count](next);
    }
    for (int64_t r = 0; r < walk.rows(); ++r) x[r] += turn * 4;
  }
}

/// The block's sums, scaled, to the totals.
void add_block(const Walk& walk, int64_t block, Sums& sums) {
  for (int64_t panel = 0; panel < walk.panels; ++panel) {
    const uint8_t* weights =
        walk.weights + static_cast<size_t>(panel) * walk.panel_bytes + block * kInt8Block;
    for (int v = 0; v < kVectors; ++v) {
      const __m512 scale = weight_scales(weights, v);
      for (int64_t r = 0; r < walk.rows(); ++r) {
        const int64_t at = (panel * walk.rows() + r) * kPanelFloats + v * 16;
        const __m512 x_scale = _mm512_set1_ps(walk.x.int8.scale(row_of(walk.x, r), block).scale);
        _mm512_store_ps(sums.total + at,
                        add_scaled(_mm512_load_ps(sums.total + at),
                                   _mm512_load_si512(sums.block + at), scale, x_scale));
      }
    }
  }
}

}  // namespace

void int8_few_rows(const Activations& x, const WeightView& w, int64_t first, int64_t last,
                   Mat<float> y) {
  thread_local Sums sums;
  const size_t bytes = int8_panel_bytes(w.cols);
  const int64_t rows = x.rows();
  const int64_t origin = first;  // y's column 0
  for (; first < last; first += kWalk * kPanelRows) {
    const Walk walk{
        x, static_cast<const uint8_t*>(w.data) + static_cast<size_t>(first / kPanelRows) * bytes,
        bytes, std::min(kWalk, ceil_div(last - first, kPanelRows))};
    const int64_t outputs = std::min(last - first, kWalk * kPanelRows);
    std::memset(sums.total, 0,
                static_cast<size_t>(walk.panels * rows * kPanelFloats) * sizeof(float));
    for (int64_t block = 0; block < w.scale_cols(); ++block) {
      sum_block(walk, block, sums);
      add_block(walk, block, sums);
    }
    for (int64_t i = 0; i < walk.panels * rows; ++i) {
      const int64_t begin = i / rows * kPanelRows;
      std::memcpy(y.row(i % rows) + (first - origin) + begin, sums.total + i * kPanelFloats,
                  static_cast<size_t>(std::min(kPanelRows, outputs - begin)) * sizeof(float));
    }
  }
}

}  // namespace fathom::avx512
