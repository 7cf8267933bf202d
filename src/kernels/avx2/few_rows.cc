// Products of a few rows, as in decode: bound by the memory, or by widening. Weights are widened in
// registers, for up to four rows at once. The sums are the same as linear.cc's.
//
// NOTES: 32 codes cost 9 operations to widen and 4 to multiply by a row. The core is shared with
// another's thread as a rule, so what counts is how many instructions there are, loads too. 16
// registers limit what goes together: R rows times V vectors of 8 outputs are sums, and a part of a
// panel as wide as V is walked for a block before the next part, while the lines of the block that
// follows are asked for. More than four rows go in passes over a block that is in the cache.
#include <algorithm>
#include <cstring>

#include "kernels/avx2/linear.h"
#include "kernels/avx2/rows.h"
#include "kernels/panel.h"

namespace fathom::avx2 {
namespace {

constexpr int64_t kGroup = 4 * kPanelRows;  // bytes: 4 columns of FP8 or 2 of BF16
constexpr int64_t kLine = 64;

/// One block of a panel.
struct Block {
  const uint8_t* weights;
  int64_t groups;
  const float* x;       // [rows][kScaleBlock]
  const float* scale;   // of each row
  float* total;         // [rows][64]
  const uint8_t* next;  // what is read after this block
};

/// Lets what was read there be read again, where the compiler would keep it in registers that the
/// sums need.
template <typename T>
inline __attribute__((always_inline)) void forget(const T*& at) {
  asm("" : "+r"(at));
}

/// S vectors of 8 outputs, a column of each, against R rows.
template <int R, int S>
inline __attribute__((always_inline)) void add(const __m256 (&column)[S], const float* x,
                                               __m256 (*sum)[S]) {
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
    const __m256 value = _mm256_broadcast_ss(x + r * kScaleBlock);
#pragma GCC unroll 2
    for (int s = 0; s < S; ++s) sum[r][s] = _mm256_fmadd_ps(column[s], value, sum[r][s]);
  }
}

/// How a group of columns is widened and multiplied, S vectors at a time.
template <bool kNan>
struct Fp8 {
  static constexpr int kColumns = 4;

  template <int R, int S>
  static inline __attribute__((always_inline)) void step(const MoveConstants* k, const uint8_t* at,
                                                         const float* x, __m256 (*sum)[S]) {
    __m256i codes[S];
    __m256 first[S], second[S];
#pragma GCC unroll 2
    for (int s = 0; s < S; ++s) {
      codes[s] = load_codes(*k, at + s * 32);
      move_even(*k, codes[s], first[s], second[s]);
      if constexpr (kNan) {
        first[s] = with_nan(first[s]);
        second[s] = with_nan(second[s]);
      }
    }
    add<R>(first, x, sum);
    if constexpr (R > 1) forget(x);
    if constexpr (R > 1) forget(k);
    add<R>(second, x + 1, sum);
#pragma GCC unroll 2
    for (int s = 0; s < S; ++s) {
      move_odd(*k, codes[s], first[s], second[s]);
      if constexpr (kNan) {
        first[s] = with_nan(first[s]);
        second[s] = with_nan(second[s]);
      }
    }
    if constexpr (R > 1) forget(x);
    add<R>(first, x + 2, sum);
    if constexpr (R > 1) forget(x);
    add<R>(second, x + 3, sum);
  }
};

struct Bf16 {
  static constexpr int kColumns = 2;

  template <int R, int S>
  static inline __attribute__((always_inline)) void step(const MoveConstants*, const uint8_t* at,
                                                         const float* x, __m256 (*sum)[S]) {
    __m256 first[S], second[S];
#pragma GCC unroll 2
    for (int s = 0; s < S; ++s) {
      widen_pairs(_mm256_load_si256(reinterpret_cast<const __m256i*>(at) + s), first[s], second[s]);
    }
    add<R>(first, x, sum);
    if constexpr (R > 1) forget(x);
    add<R>(second, x + 1, sum);
  }
};

/// V vectors of 8 outputs at a time, of which S are widened together, against R rows.
template <typename Weights, int R, int V, int S>
void multiply(const Block& block) {
  constexpr int64_t kLines = V * 32 / kLine;
  static const MoveConstants constants;
  const MoveConstants* k = &constants;
  const uint8_t* next = block.next;
  for (int64_t lane = 0; lane < kPanelRows; lane += V * 8) {
    const uint8_t* weights = block.weights + lane * 4;
    const float* x = block.x;
    __m256 sum[V / S][R][S] = {};
    for (int64_t g = 0; g < block.groups; ++g, weights += kGroup, x += Weights::kColumns) {
#pragma GCC unroll 4
      for (int64_t line = 0; line < kLines; ++line) _mm_prefetch(next + line * kLine, _MM_HINT_T0);
      next += kLines * kLine;
      if constexpr (R > 1) forget(k);
#pragma GCC unroll 8
      for (int v = 0; v < V / S; ++v) {
        Weights::template step<R, S>(k, weights + v * S * 32, x, sum[v]);
      }
    }
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const __m256 scale = _mm256_set1_ps(block.scale[r]);
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) {
        float* total = block.total + r * kPanelRows + lane + v * 8;
        _mm256_store_ps(total, _mm256_fmadd_ps(sum[v / S][r][v % S], scale, _mm256_load_ps(total)));
      }
    }
  }
}

/// All rows of a block, as many at a time as there are registers for.
template <typename Weights>
void multiply_rows(Block block, int64_t rows) {
  static constexpr void (*kMultiply[])(const Block&) = {
      nullptr, multiply<Weights, 1, 8, 1>, multiply<Weights, 2, 2, 2>, multiply<Weights, 3, 2, 2>,
      multiply<Weights, 4, 2, 2>};
  constexpr int64_t kMost = 4;
  for (int64_t passes = ceil_div(rows, kMost); passes > 0; --passes) {
    const int64_t count = ceil_div(rows, passes);
    kMultiply[count](block);
    rows -= count;
    block.x += count * kScaleBlock;
    block.scale += count;
    block.total += count * kPanelRows;
  }
}

/// A thread's working memory.
struct Memory {
  Buffer x;       // [blocks][rows][kScaleBlock]
  Buffer scales;  // [blocks][rows]
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
  const bool fp8 = w.dtype == DType::kF8E4M3;
  const int64_t block_bytes = kScaleBlock * kPanelRows * static_cast<int64_t>(dtype_size(w.dtype));
  const int64_t panel =
      static_cast<int64_t>(panel_bytes(w.cols * static_cast<int64_t>(dtype_size(w.dtype))));
  const auto* data = static_cast<const uint8_t*>(w.data) + first / kPanelRows * panel;
  const auto* end = data + ceil_div(last - first, kPanelRows) * panel;
  const int64_t origin = first;  // y's column 0
  for (; first < last; first += kPanelRows, data += panel) {
    std::memset(memory.totals, 0, static_cast<size_t>(rows * kPanelRows) * sizeof(float));
    for (int64_t b = 0; b < blocks; ++b) {
      const int64_t columns = std::min(kScaleBlock, w.cols - b * kScaleBlock);
      float scale[kFewRows];
      for (int64_t r = 0; r < rows; ++r) {
        scale[r] = scales[b * rows + r];
        if (fp8) scale[r] *= w.scale[first / kScaleBlock * blocks + b];
      }
      const uint8_t* weights = data + b * block_bytes;
      const int64_t groups = ceil_div(columns, fp8 ? 4 : 2);
      const uint8_t* next = weights + groups * kGroup;
      const Block block{weights, groups,        values + b * rows * kScaleBlock,
                        scale,   memory.totals, next < end ? next : weights};
      if (!fp8) {
        multiply_rows<Bf16>(block, rows);
      } else if (!w.finite && holds_nan(std::as_bytes(
                                  std::span(weights, static_cast<size_t>(groups * kGroup))))) {
        multiply_rows<Fp8<true>>(block, rows);
      } else {
        multiply_rows<Fp8<false>>(block, rows);
      }
    }
    for (int64_t r = 0; r < rows; ++r) {
      std::memcpy(y.row(r) + (first - origin), memory.totals + r * kPanelRows,
                  static_cast<size_t>(std::min(kPanelRows, last - first)) * sizeof(float));
    }
  }
}

}  // namespace fathom::avx2
