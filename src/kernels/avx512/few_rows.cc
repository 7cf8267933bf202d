// Products of a few rows, as in decode: bound by the memory, so all that matters is how weights are
// asked for. The sums are the same as linear.cc's.
//
// NOTES: a panel is one sequential stream, and what fetches ahead by itself stops at each 4 KB. One
// such stream got 60% of the bandwidth, four panels side by side 82%, and with each line asked for
// 2 KB early 86 to 91%. The accumulators of four panels fit the registers for one row; with more
// rows fewer panels go side by side, and these take turns every 2 KB.
#include <algorithm>
#include <cstring>

#include "kernels/avx512/rows.h"
#include "kernels/panel.h"

namespace fathom::avx512 {
namespace {

constexpr int64_t kWalk = kStreamedPanels;
constexpr int64_t kStep = 4 * kPanelRows;  // bytes of a panel that advance together
constexpr int64_t kTurn = 8;               // steps until the next panels have their turn
constexpr int64_t kAhead = kTurn * kStep;  // bytes
constexpr int kSideBySide[kStreamedRows + 1] = {0, 4, 2, 2, 1, 1, 1};  // panels, by rows

/// Some steps of some panels.
struct Advance {
  const uint8_t* weights;  // the first panel's
  size_t panel_bytes;
  int64_t steps;
  const std::byte* const* x;  // rows, at the first step
  float* sums;                // [panels][rows][64], continued
};

/// P panels, FP8 (a step is 4 columns) or BF16 (2 columns), against R rows.
template <bool kFp8, int R, int P>
void advance(const Advance& a, const E4M3Table& shared_table) {
  const E4M3Table table = shared_table;
  __m512 sum[P][R][kVectors];
  const std::byte* x[R];
  for (int r = 0; r < R; ++r) x[r] = a.x[r];
#pragma GCC unroll 24
  for (int i = 0; i < P * R * kVectors; ++i) {
    sum[i / kVectors / R][i / kVectors % R][i % kVectors] = _mm512_load_ps(a.sums + i * 16);
  }
  const uint8_t* weights = a.weights;
  const size_t panel_bytes = a.panel_bytes;
  for (int64_t g = 0; g < a.steps; ++g) {
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        const uint8_t* at = weights + static_cast<size_t>(p) * panel_bytes + v * 64;
        _mm_prefetch(at + kAhead, _MM_HINT_T0);
        __m512i first = _mm512_load_si512(at), second;
        if constexpr (kFp8) widen(table, first, first, second);
#pragma GCC unroll 6
        for (int r = 0; r < R; ++r) {
          sum[p][r][v] =
              _mm512_dpbf16_ps(sum[p][r][v], (__m512bh)first, pair(x[r], kFp8 ? 2 * g : g));
        }
        if constexpr (!kFp8) continue;
#pragma GCC unroll 6
        for (int r = 0; r < R; ++r) {
          sum[p][r][v] = _mm512_dpbf16_ps(sum[p][r][v], (__m512bh)second, pair(x[r], 2 * g + 1));
        }
      }
    }
    weights += kStep;
  }
#pragma GCC unroll 24
  for (int i = 0; i < P * R * kVectors; ++i) {
    _mm512_store_ps(a.sums + i * 16, sum[i / kVectors / R][i / kVectors % R][i % kVectors]);
  }
}

using AdvanceFunction = void (*)(const Advance&, const E4M3Table&);
template <bool kFp8>
constexpr AdvanceFunction kAdvance[kStreamedRows + 1][kWalk + 1] = {
    {},
    {nullptr, advance<kFp8, 1, 1>, advance<kFp8, 1, 2>, advance<kFp8, 1, 3>, advance<kFp8, 1, 4>},
    {nullptr, advance<kFp8, 2, 1>, advance<kFp8, 2, 2>},
    {nullptr, advance<kFp8, 3, 1>, advance<kFp8, 3, 2>},
    {nullptr, advance<kFp8, 4, 1>},
    {nullptr, advance<kFp8, 5, 1>},
    {nullptr, advance<kFp8, 6, 1>}};

/// A thread's working memory: [panels][rows][64] of the block at hand, and of all before it.
struct Sums {
  static constexpr size_t kFloats = kWalk * kStreamedRows * kPanelFloats;
  alignas(64) float block[kFloats];
  alignas(64) float total[kFloats];
  const E4M3Table table = make_e4m3_table();
};

/// Up to kWalk panels that begin at row `first`, and where a block of them lies.
struct Walk {
  const Rows& rows;
  const WeightView& w;
  int64_t first;
  int64_t panels;
  size_t panel_bytes;

  int64_t row_count() const { return rows.count * panels; }
};

/// Block `block` of all the walk's panels, from its beginning to its end.
template <bool kFp8>
void sum_block(const Walk& walk, int64_t block, Sums& sums) {
  constexpr int64_t kColumns = kFp8 ? 4 : 2;  // of a step
  const int64_t begin = block * kScaleBlock;
  const int64_t steps = ceil_div(std::min(kScaleBlock, walk.w.cols - begin), kColumns);
  const auto* weights = static_cast<const uint8_t*>(walk.w.data) +
                        static_cast<size_t>(walk.first / kPanelRows) * walk.panel_bytes +
                        begin / kColumns * kStep;
  const int64_t side = kSideBySide[walk.rows.count];
  const int64_t turn = walk.panels <= side ? steps : kTurn;
  std::memset(sums.block, 0, static_cast<size_t>(walk.row_count()) * kPanelFloats * sizeof(float));
  for (int64_t step = 0; step < steps; step += turn) {
    const std::byte* x[kStreamedRows];
    for (int64_t r = 0; r < walk.rows.count; ++r) {
      x[r] = walk.rows.at(r, block) + step * kColumns * 2;
    }
    for (int64_t panel = 0; panel < walk.panels; panel += side) {
      const int64_t count = std::min(side, walk.panels - panel);
      const Advance next{weights + static_cast<size_t>(panel) * walk.panel_bytes + step * kStep,
                         walk.panel_bytes, std::min(turn, steps - step), x,
                         sums.block + panel * walk.rows.count * kPanelFloats};
      kAdvance<kFp8>[walk.rows.count][count](next, sums.table);
    }
  }
}

/// The block's sums, scaled, to the totals.
void add_block(const Walk& walk, int64_t block, Sums& sums) {
  for (int64_t i = 0; i < walk.row_count(); ++i) {
    const int64_t panel = i / walk.rows.count, row = i % walk.rows.count;
    const int64_t scale_row = (walk.first + panel * kPanelRows) / kScaleBlock;
    const float weight_scale =
        walk.w.scale ? walk.w.scale[scale_row * walk.w.scale_cols() + block] : 1.0f;
    const __m512 scale = _mm512_set1_ps(weight_scale * walk.rows.scale(row, block));
    for (int v = 0; v < kVectors; ++v) {
      float* total = sums.total + i * kPanelFloats + v * 16;
      const __m512 sum = _mm512_load_ps(sums.block + i * kPanelFloats + v * 16);
      _mm512_store_ps(total, _mm512_fmadd_ps(sum, scale, _mm512_load_ps(total)));
    }
  }
}

}  // namespace

void few_rows(const Activations& x, const WeightView& w, int64_t first, int64_t last,
              Mat<float> y) {
  thread_local Sums sums;
  const bool fp8 = w.dtype == DType::kF8E4M3;
  const Rows rows = rows_of(x, false, fp8 && x.numerics == Numerics::kW8A8);
  const size_t bytes = panel_bytes(w.cols * static_cast<int64_t>(dtype_size(w.dtype)));
  const int64_t origin = first;  // y's column 0
  for (; first < last; first += kWalk * kPanelRows) {
    const Walk walk{rows, w, first, std::min(kWalk, ceil_div(last - first, kPanelRows)), bytes};
    const int64_t outputs = std::min(last - first, kWalk * kPanelRows);
    std::memset(sums.total, 0,
                static_cast<size_t>(walk.row_count()) * kPanelFloats * sizeof(float));
    for (int64_t block = 0; block < w.scale_cols(); ++block) {
      fp8 ? sum_block<true>(walk, block, sums) : sum_block<false>(walk, block, sums);
      add_block(walk, block, sums);
    }
    for (int64_t i = 0; i < walk.row_count(); ++i) {
      const int64_t begin = i / rows.count * kPanelRows;
      std::memcpy(y.row(i % rows.count) + (first - origin) + begin, sums.total + i * kPanelFloats,
                  static_cast<size_t>(std::min(kPanelRows, outputs - begin)) * sizeof(float));
    }
  }
}

}  // namespace fathom::avx512
