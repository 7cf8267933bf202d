// Products of a few rows, as in decode: bound by the memory, or by widening. Weights are widened in
// registers, for up to four rows at once. The sums are the same as linear.cc's.
//
// NOTES: 32 codes cost 8 operations to widen and 4 to multiply by a row. The core is shared with
// another's thread as a rule, so what counts is how many instructions there are, loads too. 16
// registers limit what goes together: R rows times N strips of 16 outputs are sums. The strips are
// streams that the processor fetches by itself. More than four rows go in passes over a block that
// is in the cache.
#include <algorithm>
#include <cstring>

#include "kernels/avx2/linear.h"
#include "kernels/avx2/pack.h"
#include "kernels/avx2/rows.h"

namespace fathom::avx2 {
namespace {

/// Some blocks of columns of a panel, one after another.
struct Blocks {
  int64_t count;
  int64_t columns;  // from the first to the end of the rows
  int64_t rows;
  Strips weights;
  Strips next;         // what is read after them
  const float* x;      // [count][rows][kScaleBlock]
  const float* scale;  // [count][rows]
  float* total;        // [rows][64]

  int64_t columns_of(int64_t block) const {
    return std::min(kScaleBlock, columns - block * kScaleBlock);
  }

  /// One of them, of which a block has so many groups.
  Blocks at(int64_t block, int64_t groups) const {
    return {1,
            columns_of(block),
            rows,
            weights.from(block * groups),
            block + 1 < count ? weights.from((block + 1) * groups) : next,
            x + block * rows * kScaleBlock,
            scale + block * rows,
            total};
  }
};

/// Lets what was read there be read again, where the compiler would keep it in registers that the
/// sums need.
template <typename T>
inline __attribute__((always_inline)) void forget(const T*& at) {
  asm("" : "+r"(at));
}

/// Sums of R rows with a strip.
template <int R>
using Sums = __m256[R][kStripVectors];

/// A column of a strip against R rows.
template <int R>
inline __attribute__((always_inline)) void add(const __m256 (&column)[kStripVectors],
                                               const float* x, Sums<R>& sum) {
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
    const __m256 value = _mm256_broadcast_ss(x + r * kScaleBlock);
#pragma GCC unroll 2
    for (int v = 0; v < kStripVectors; ++v)
      sum[r][v] = _mm256_fmadd_ps(column[v], value, sum[r][v]);
  }
}

/// Two columns of N strips, widened by `widen`, against R rows.
template <int R, int N, typename Widen>
inline __attribute__((always_inline)) void add_two(const uint8_t* at, int64_t strip, const float* x,
                                                   Sums<R> (&sum)[N], Widen widen) {
#pragma GCC unroll 4
  for (int n = 0; n < N; ++n) {
    __m256 first[kStripVectors], second[kStripVectors];
#pragma GCC unroll 2
    for (int v = 0; v < kStripVectors; ++v) widen(at + n * strip + v * 32, first[v], second[v]);
    add<R>(first, x, sum[n]);
    if constexpr (R > 1) forget(x);
    add<R>(second, x + 1, sum[n]);
  }
}

/// How a group is widened and multiplied. What is read twice is read from the cache twice: there is
/// no register to keep it.
template <bool kNan>
struct Fp8 {
  static constexpr int64_t kColumns = 4;  // of a group

  template <int R, int N>
  static inline __attribute__((always_inline)) void step(const MoveConstants* k, const uint8_t* at,
                                                         int64_t strip, const float* x,
                                                         Sums<R> (&sum)[N]) {
    const auto widen = [&k](auto move) {
      return [&k, move ](const uint8_t* from, __m256& first, __m256& second)
          __attribute__((always_inline)) {
        move(*k, from, first, second);
        if constexpr (kNan) {
          first = with_nan(first);
          second = with_nan(second);
        }
      };
    };
    forget(k);
    add_two<R>(at, strip, x, sum, widen(move_even));
    forget(at);
    forget(k);
    if constexpr (R > 1) forget(x);
    add_two<R>(at, strip, x + 2, sum, widen(move_odd));
  }
};

struct Bf16 {
  static constexpr int64_t kColumns = 2;  // of a group

  template <int R, int N>
  static inline __attribute__((always_inline)) void step(const MoveConstants*, const uint8_t* at,
                                                         int64_t strip, const float* x,
                                                         Sums<R> (&sum)[N]) {
    add_two<R>(at, strip, x, sum, [](const uint8_t* from, __m256& first, __m256& second) {
      widen_pairs(load_bytes(from), first, second);
    });
  }
};

struct F32 {
  static constexpr int64_t kColumns = 1;  // of a group

  template <int R, int N>
  static inline __attribute__((always_inline)) void step(const MoveConstants*, const uint8_t* at,
                                                         int64_t strip, const float* x,
                                                         Sums<R> (&sum)[N]) {
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) {
      __m256 column[kStripVectors];
#pragma GCC unroll 2
      for (int v = 0; v < kStripVectors; ++v) {
        column[v] = _mm256_castsi256_ps(load_bytes(at + n * strip + v * 32));
      }
      add<R>(column, x, sum[n]);
    }
  }
};

template <typename Weights>
constexpr int64_t kGroups = kScaleBlock / Weights::kColumns;  // of a block

/// N strips at a time against R rows.
template <typename Weights, int R, int N>
void multiply(const Blocks& blocks) {
  static const MoveConstants constants;
  const MoveConstants* k = &constants;
  const int64_t strip = blocks.weights.strip;
  for (int64_t b = 0; b < blocks.count; ++b) {
    const Blocks block = blocks.at(b, kGroups<Weights>);
    const int64_t groups = ceil_div(block.columns, Weights::kColumns);
    for (int64_t s = 0; s < kStrips; s += N) {
      const uint8_t* weights = block.weights.at(s, 0);
      const uint8_t* next = block.next.at(s, 0);
      const float* x = block.x;
      Sums<R> sum[N] = {};
      for (int64_t g = 0; g < groups; ++g, weights += kGroup, x += Weights::kColumns) {
        if constexpr (N < kStrips) {
#pragma GCC unroll 2
          for (int n = 0; n < N; ++n) _mm_prefetch(next + n * strip, _MM_HINT_T0);
          next += kGroup;
        }
        Weights::template step<R, N>(k, weights, strip, x, sum);
      }
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) {
        const __m256 scale = _mm256_set1_ps(block.scale[r]);
#pragma GCC unroll 8
        for (int v = 0; v < N * kStripVectors; ++v) {
          float* total = block.total + r * kPanelRows + s * kStripRows + v * 8;
          _mm256_store_ps(total, _mm256_fmadd_ps(sum[v / kStripVectors][r][v % kStripVectors],
                                                 scale, _mm256_load_ps(total)));
        }
      }
    }
  }
}

constexpr int64_t kAtOnce = 4;  // rows for which there are registers

/// All rows: over all blocks where they go at once, else in passes over each.
template <typename Weights>
void multiply_rows(Blocks blocks, int64_t rows) {
  static constexpr void (*kMultiply[])(const Blocks&) = {
      nullptr, multiply<Weights, 1, 4>, multiply<Weights, 2, 2>, multiply<Weights, 3, 1>,
      multiply<Weights, 4, 1>};
  if (rows <= kAtOnce) return kMultiply[rows](blocks);
  for (int64_t b = 0; b < blocks.count; ++b) {
    Blocks block = blocks.at(b, kGroups<Weights>);
    for (int64_t passes = ceil_div(rows, kAtOnce), left = rows; passes > 0; --passes) {
      const int64_t count = ceil_div(left, passes);
      kMultiply[count](block);
      left -= count;
      block.x += count * kScaleBlock;
      block.scale += count;
      block.total += count * kPanelRows;
    }
  }
}

/// The same, where codes may be NaN.
void multiply_unknown(const Blocks& blocks, int64_t rows) {
  using Finite = Fp8<false>;
  for (int64_t b = 0; b < blocks.count; ++b) {
    const Blocks block = blocks.at(b, kGroups<Finite>);
    const bool nan = holds_nan(block.weights, kStrips, ceil_div(block.columns, Finite::kColumns));
    nan ? multiply_rows<Fp8<true>>(block, rows) : multiply_rows<Finite>(block, rows);
  }
}

/// A thread's working memory.
struct Memory {
  Buffer x;       // [blocks][rows][kScaleBlock]
  Buffer scales;  // [blocks][rows]
  Buffer scaled;  // the same, times the panel's own
  alignas(32) float totals[kFewRows * kPanelRows];
};

}  // namespace

void few_rows(const Activations& x, const WeightView& w, int64_t first, int64_t last,
              Mat<float> y) {
  thread_local Memory memory;
  const Source source = source_of(x, w);
  const int64_t rows = x.rows(), blocks = w.scale_cols();
  float* values = grow<float>(memory.x, blocks * rows * kScaleBlock);
  float* scales = grow<float>(memory.scales, blocks * rows);
  for (int64_t i = 0; i < blocks * rows; ++i) {
    scales[i] = read_block(source, i % rows, i / rows, values + i * kScaleBlock);
  }
  float* scaled = grow<float>(memory.scaled, blocks * rows);
  const int64_t row_bytes = w.cols * static_cast<int64_t>(dtype_size(w.dtype));
  const auto panel = static_cast<int64_t>(panel_bytes(row_bytes));
  const auto* data = static_cast<const uint8_t*>(w.data) + first / kPanelRows * panel;
  const int64_t origin = first;  // y's column 0
  for (; first < last; first += kPanelRows, data += panel) {
    std::memset(memory.totals, 0, static_cast<size_t>(rows * kPanelRows) * sizeof(float));
    const float* own = w.scale ? w.scale + first / kScaleBlock * blocks : nullptr;
    for (int64_t b = 0; b < blocks; ++b) {
      for (int64_t i = b * rows; i < (b + 1) * rows; ++i) {
        scaled[i] = own ? scales[i] * own[b] : scales[i];
      }
    }
    const int64_t strip = strip_bytes(row_bytes);
    const Blocks all{blocks, w.cols, rows,         {data, strip}, {data + panel, strip},
                     values, scaled, memory.totals};
    if (w.dtype == DType::kF32) {
      multiply_rows<F32>(all, rows);
    } else if (w.dtype == DType::kBF16) {
      multiply_rows<Bf16>(all, rows);
    } else if (w.finite) {
      multiply_rows<Fp8<false>>(all, rows);
    } else {
      multiply_unknown(all, rows);
    }
    for (int64_t r = 0; r < rows; ++r) {
      std::memcpy(y.row(r) + (first - origin), memory.totals + r * kPanelRows,
                  static_cast<size_t>(std::min(kPanelRows, last - first)) * sizeof(float));
    }
  }
}

}  // namespace fathom::avx2
