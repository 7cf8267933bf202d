// Products of a few rows, as in decode: bound by the memory, so all that matters is how weights are
// asked for. The sums are the same as linear.cc's.
//
// NOTES: a panel is one sequential stream, and what fetches ahead by itself stops at each 4 KB. On
// Zen 5 one such stream got 70% of the bandwidth that four side by side get; on Zen 4 FP8 of one
// row reads 96% from one, 94% from two and 85% from four: two it is. Sums stay in registers for a
// whole block, whose end costs a load, a product and a store of each total: to put them down every
// 2 KB and take them up again, so that four panels took turns, cost 10% at one row and 15 to 30% at
// three and more.
#include <algorithm>
#include <cstring>

#include "kernels/avx512/rows.h"
#include "kernels/panel.h"

namespace fathom::avx512 {
namespace {

constexpr int64_t kStep = 4 * kPanelRows;  // bytes of a panel that advance together
constexpr int64_t kAhead = 2048;           // bytes that are asked for early, in each panel
constexpr int kSideBySide[kStreamedRows + 1] = {0, 2, 2, 1, 1, 1, 1};  // panels, by rows

/// Panels from row `first` of w on, side by side.
struct Walk {
  const Rows& rows;
  const WeightView& w;
  int64_t first;
  const uint8_t* weights;  // the first panel
  size_t panel_bytes;
  float* totals;  // [panels][rows][64]

  float scale(int64_t panel, int64_t row, int64_t block) const {
    const int64_t scale_row = (first + panel * kPanelRows) / kScaleBlock;
    const float of_weight = w.scale ? w.scale[scale_row * w.scale_cols() + block] : 1.0f;
    return of_weight * rows.scale(row, block);
  }
};

/// One step of a panel, 4 columns of FP8 or 2 of BF16, against R rows.
template <bool kFp8, int R>
inline __attribute__((always_inline)) void step(const uint8_t* weights, const std::byte* const* x,
                                                int64_t index, const E4M3Table& table,
                                                __m512 (&sum)[R][kVectors]) {
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    const uint8_t* at = weights + v * 64;
    // The first cache has 24 places for what is on its way, the second 48. BF16 needs them; FP8, of
    // which as much time goes to widening, is faster from the first.
    _mm_prefetch(at + kAhead, kFp8 ? _MM_HINT_T0 : _MM_HINT_T1);
    __m512i first = _mm512_load_si512(at), second;
    if constexpr (kFp8) widen(table, first, first, second);
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r) {
      const __m512bh pairs = pair(x[r], kFp8 ? 2 * index : index);
      sum[r][v] = _mm512_dpbf16_ps(sum[r][v], (__m512bh)first, pairs);
    }
    if constexpr (!kFp8) continue;
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r) {
      sum[r][v] = _mm512_dpbf16_ps(sum[r][v], (__m512bh)second, pair(x[r], 2 * index + 1));
    }
  }
}

/// P panels, FP8 or BF16, against R rows: all of K.
template <bool kFp8, int R, int P>
void walk_panels(const Walk& walk, const E4M3Table& shared_table) {
  constexpr int64_t kColumns = kFp8 ? 4 : 2;  // of a step
  const E4M3Table table = shared_table;
  const size_t panel_bytes = walk.panel_bytes;
  const uint8_t* weights = walk.weights;
  float* totals = walk.totals;
  std::memset(totals, 0, sizeof(float) * P * R * kPanelFloats);
  for (int64_t block = 0; block < walk.w.scale_cols(); ++block) {
    const int64_t columns = std::min(kScaleBlock, walk.w.cols - block * kScaleBlock);
    const int64_t steps = ceil_div(columns, kColumns);
    const std::byte* x[R];
    for (int r = 0; r < R; ++r) x[r] = walk.rows.at(r, block);
    __m512 sum[P][R][kVectors] = {};
    for (int64_t i = 0; i < steps; ++i, weights += kStep) {
#pragma GCC unroll 4
      for (int p = 0; p < P; ++p) {
        step<kFp8, R>(weights + static_cast<size_t>(p) * panel_bytes, x, i, table, sum[p]);
      }
    }
#pragma GCC unroll 24
    for (int i = 0; i < P * R; ++i) {
      const __m512 scale = _mm512_set1_ps(walk.scale(i / R, i % R, block));
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        float* total = totals + i * kPanelFloats + v * 16;
        _mm512_store_ps(total, _mm512_fmadd_ps(sum[i / R][i % R][v], scale, _mm512_load_ps(total)));
      }
    }
  }
}

using WalkFunction = void (*)(const Walk&, const E4M3Table&);
template <bool kFp8>
constexpr WalkFunction kWalks[kStreamedRows + 1][3] = {
    {},
    {nullptr, walk_panels<kFp8, 1, 1>, walk_panels<kFp8, 1, 2>},
    {nullptr, walk_panels<kFp8, 2, 1>, walk_panels<kFp8, 2, 2>},
    {nullptr, walk_panels<kFp8, 3, 1>},
    {nullptr, walk_panels<kFp8, 4, 1>},
    {nullptr, walk_panels<kFp8, 5, 1>},
    {nullptr, walk_panels<kFp8, 6, 1>}};

/// A thread's working memory.
struct Memory {
  alignas(64) float totals[kStreamedRows * kPanelFloats];  // [panels][rows][64]
  const E4M3Table table = make_e4m3_table();
};

}  // namespace

void few_rows(const Activations& x, const WeightView& w, int64_t first, int64_t last,
              Mat<float> y) {
  thread_local Memory memory;
  const bool fp8 = w.dtype == DType::kF8E4M3;
  const Rows rows = rows_of(x, false, fp8 && x.numerics == Numerics::kW8A8);
  const size_t bytes = panel_bytes(w.cols * static_cast<int64_t>(dtype_size(w.dtype)));
  const auto* data = static_cast<const uint8_t*>(w.data);
  const int64_t side = kSideBySide[rows.count];
  const int64_t origin = first;  // y's column 0
  for (; first < last; first += side * kPanelRows) {
    const int64_t panels = std::min(side, ceil_div(last - first, kPanelRows));
    const Walk walk{rows,  w,
                    first, data + static_cast<size_t>(first / kPanelRows) * bytes,
                    bytes, memory.totals};
    (fp8 ? kWalks<true> : kWalks<false>)[rows.count][panels](walk, memory.table);
    for (int64_t i = 0; i < rows.count * panels; ++i) {
      const int64_t begin = first + i / rows.count * kPanelRows;
      std::memcpy(y.row(i % rows.count) + (begin - origin), memory.totals + i * kPanelFloats,
                  static_cast<size_t>(std::min(kPanelRows, last - begin)) * sizeof(float));
    }
  }
}

}  // namespace fathom::avx512
