// y = x W^T, 64 rows of W (a panel) at a time, in F32: a block of 128 columns is widened once to
// floats and meets all rows of x. Each output adds its products in the order of K inside a block
// and each block's sum, scaled, to its total: the same whatever the number of rows of x.
#include "kernels/avx2/linear.h"

#include <algorithm>
#include <cstring>

#include "kernels/avx2/int8.h"
#include "kernels/avx2/pack.h"
#include "kernels/avx2/rows.h"
#include "kernels/avx2/table.h"
#include "kernels/panel.h"

namespace fathom::avx2 {
namespace {

// NOTES: 3 x 4 sums, 3 broadcasts and a weight are the 16 registers; 12 chains cover a latency of 4
// or 5 at 2 a cycle. A block is widened half after half, 32 outputs: 16 KB in a piece, which stay
// in the first cache while all rows pass. (As lines of 64 outputs they would have half of the
// cache's sets to lie in.)
constexpr int kTileRows = 3;
constexpr int kTileVectors = 4;
constexpr int64_t kUnroll = 8;        // columns
constexpr int64_t kRowsAtOnce = 192;  // whose blocks and totals stay in the second cache
constexpr int64_t kPackChunk = 512;   // bytes of each row packed at a time from a row-major matrix

constexpr int64_t kHalf = kTileVectors * 8;  // outputs

/// Widens 32 outputs of a panel's columns, up to kScaleBlock, to [kScaleBlock][kHalf] floats:
/// `widen` makes columns of 8 outputs out of each group.
template <int kColumns, typename Widen>
void widen_half(const Strips& half, int64_t columns, float* out, Widen widen) {
  for (int64_t g = 0; g < ceil_div(columns, kColumns); ++g, out += kColumns * kHalf) {
#pragma GCC unroll 4
    for (int v = 0; v < kTileVectors; ++v) {
      __m256 column[kColumns];
      widen(half.at(v / kStripVectors, g) + v % kStripVectors * 32, column);
#pragma GCC unroll 4
      for (int i = 0; i < kColumns; ++i) _mm256_store_ps(out + i * kHalf + v * 8, column[i]);
    }
  }
}

/// In the order of read_block().
void widen_fp8(const Strips& half, int64_t columns, bool finite, float* out) {
  const MoveConstants k;
  const auto move = [&k](const uint8_t* codes, __m256* column) {
    move_even(k, codes, column[0], column[1]);
    move_odd(k, codes, column[2], column[3]);
  };
  if (finite || !holds_nan(half, kHalf / kStripRows, ceil_div(columns, 4))) {
    return widen_half<4>(half, columns, out, move);
  }
  widen_half<4>(half, columns, out, [&](const uint8_t* codes, __m256* column) {
    move(codes, column);
    for (int i = 0; i < 4; ++i) column[i] = with_nan(column[i]);
  });
}

void widen_bf16(const Strips& half, int64_t columns, float* out) {
  widen_half<2>(half, columns, out, [](const uint8_t* pairs, __m256* column) {
    widen_pairs(load_bytes(pairs), column[0], column[1]);
  });
}

void copy_floats(const Strips& half, int64_t columns, float* out) {
  widen_half<1>(half, columns, out, [](const uint8_t* floats, __m256* column) {
    column[0] = _mm256_castsi256_ps(load_bytes(floats));
  });
}

/// What is widened after a block, taken in parts of which each tile asks for one.
class Ahead {
 public:
  static constexpr int64_t kPart = 16 * 64;  // bytes: a line for every kUnroll columns

  Ahead(const Strips& strips, int64_t element)
      : strips_(strips), parts_(kScaleBlock * element / 4 * kGroup / kPart) {}

  const uint8_t* next() {
    if (taken_ == kStrips * parts_) return strips_.first;
    const uint8_t* at = strips_.at(taken_ % kStrips, 0) + taken_ / kStrips * kPart;
    ++taken_;
    return at;
  }

 private:
  Strips strips_;
  int64_t parts_;  // of a strip
  int64_t taken_ = 0;
};
static_assert(Ahead::kPart == kScaleBlock / kUnroll * 64);

/// Half of a block of a panel, widened, against some rows of x.
struct Tile {
  const float* weights;  // [kScaleBlock][kHalf]
  int64_t columns;
  const float* x;       // [rows][kScaleBlock]
  const float* scale;   // of each row
  float* total;         // [rows][64], from the half's first output
  const uint8_t* next;  // a part of the weights that will be widened soon
};

template <int R>
inline __attribute__((always_inline)) void add_column(const float* w, const float* x,
                                                      __m256 (&sum)[R][kTileVectors]) {
  __m256 value[R];
#pragma GCC unroll 3
  for (int r = 0; r < R; ++r) value[r] = _mm256_broadcast_ss(x + r * kScaleBlock);
#pragma GCC unroll 4
  for (int v = 0; v < kTileVectors; ++v) {
    const __m256 weight = _mm256_load_ps(w + v * 8);
#pragma GCC unroll 3
    for (int r = 0; r < R; ++r) sum[r][v] = _mm256_fmadd_ps(weight, value[r], sum[r][v]);
  }
}

template <int R>
void multiply(const Tile& tile) {
  __m256 sum[R][kTileVectors] = {};
  const float* x = tile.x;
  const float* w = tile.weights;
  int64_t k = 0;
  for (; k + kUnroll <= tile.columns; k += kUnroll) {
    _mm_prefetch(tile.next + k / kUnroll * 64, _MM_HINT_T0);
#pragma GCC unroll 8
    for (int64_t u = 0; u < kUnroll; ++u) {
      add_column<R>(w + (k + u) * kHalf, x + k + u, sum);
    }
  }
  for (; k < tile.columns; ++k) add_column<R>(w + k * kHalf, x + k, sum);
#pragma GCC unroll 3
  for (int r = 0; r < R; ++r) {
    const __m256 scale = _mm256_set1_ps(tile.scale[r]);
#pragma GCC unroll 4
    for (int v = 0; v < kTileVectors; ++v) {
      float* total = tile.total + r * kPanelRows + v * 8;
      _mm256_store_ps(total, _mm256_fmadd_ps(sum[r][v], scale, _mm256_load_ps(total)));
    }
  }
}

/// All rows against half of a block. All that comes next in the first tile would wait for the
/// memory.
void half_product(const Tile& half, int64_t rows, Ahead& ahead) {
  static constexpr void (*kMultiply[])(const Tile&) = {nullptr, multiply<1>, multiply<2>,
                                                       multiply<3>};
  Tile tile = half;
  for (int64_t done = 0; done < rows; done += kTileRows) {
    tile.x = half.x + done * kScaleBlock;
    tile.scale = half.scale + done;
    tile.total = half.total + done * kPanelRows;
    tile.next = ahead.next();
    kMultiply[std::min<int64_t>(kTileRows, rows - done)](tile);
  }
}

/// A thread's working memory.
struct Scratch {
  Buffer packed{size_t{kPanelRows} * kPackChunk};
  Buffer widened{size_t{kHalf} * kScaleBlock * sizeof(float)};
  Buffer x{size_t{kRowsAtOnce} * kScaleBlock * sizeof(float)};
  Buffer totals;  // [panels][rows][64]
};

/// Panels from row `first` of w on against some rows of x, block after block, so that a block of x
/// serves all of them.
class Panels {
 public:
  Panels(const Activations& x, const WeightView& w, int64_t first, int64_t last, Scratch& memory)
      : w_(w),
        source_(source_of(x, w)),
        first_(first),
        panels_(ceil_div(last - first, kPanelRows)),
        row_bytes_(w.cols * element_),
        memory_(memory) {}

  /// Rows [row, row + count) of x; their totals [panels][count][64].
  const float* multiply(int64_t row, int64_t count) {
    float* totals = grow<float>(memory_.totals, panels_ * count * kPanelRows);
    std::memset(totals, 0, static_cast<size_t>(panels_ * count * kPanelRows) * sizeof(float));
    float* x = memory_.x.as<float>();
    float of_row[kRowsAtOnce], scale[kRowsAtOnce];
    for (int64_t b = 0; b < w_.scale_cols(); ++b) {
      for (int64_t r = 0; r < count; ++r) {
        of_row[r] = read_block(source_, row + r, b, x + r * kScaleBlock);
      }
      for (int64_t p = 0; p < panels_; ++p) {
        const float of_weights = weight_scale(p, b);
        for (int64_t r = 0; r < count; ++r) scale[r] = of_row[r] * of_weights;
        const int64_t columns = std::min(kScaleBlock, w_.cols - b * kScaleBlock);
        const Strips weights = in_panels() ? codes(p, b) : packed(p, b, columns);
        Ahead ahead(next(p, b), element_);
        for (int64_t half = 0; half < kPanelRows; half += kHalf) {
          const float* widened = widen(weights.below(half / kStripRows), columns);
          half_product({widened, ceil_div(columns, group_) * group_, x, scale,
                        totals + p * count * kPanelRows + half, nullptr},
                       count, ahead);
        }
      }
    }
    return totals;
  }

 private:
  bool in_panels() const { return w_.layout == WeightLayout::kPanels; }

  float weight_scale(int64_t panel, int64_t block) const {
    const int64_t row = (first_ + panel * kPanelRows) / kScaleBlock;
    return w_.scale ? w_.scale[row * w_.scale_cols() + block] : 1.0f;
  }

  // Of a matrix in panels.
  Strips codes(int64_t panel, int64_t block) const {
    const auto* data = static_cast<const uint8_t*>(w_.data) +
                       static_cast<size_t>(first_ / kPanelRows + panel) * panel_bytes(row_bytes_);
    return Strips{data, strip_bytes(row_bytes_)}.from(block * kScaleBlock / group_);
  }

  // What is read after a block; of a row-major matrix nothing in particular.
  Strips next(int64_t panel, int64_t block) const {
    if (!in_panels()) return {memory_.packed.as<uint8_t>(), 0};
    if (panel + 1 < panels_) return codes(panel + 1, block);
    return codes(0, std::min(block + 1, w_.scale_cols() - 1));
  }

  Strips packed(int64_t panel, int64_t block, int64_t columns) {
    const int64_t row = first_ + panel * kPanelRows, bytes = columns * element_;
    const auto* from = static_cast<const uint8_t*>(w_.data) + row * row_bytes_;
    pack({from + block * kScaleBlock * element_, row_bytes_, std::min(w_.rows - row, kPanelRows),
          bytes},
         memory_.packed.as<uint8_t>());
    return {memory_.packed.as<uint8_t>(), strip_bytes(bytes)};
  }

  const float* widen(const Strips& half, int64_t columns) {
    float* out = memory_.widened.as<float>();
    if (w_.dtype == DType::kF8E4M3) {
      widen_fp8(half, columns, w_.finite, out);
    } else if (w_.dtype == DType::kBF16) {
      widen_bf16(half, columns, out);
    } else {
      copy_floats(half, columns, out);
    }
    return out;
  }

  const WeightView& w_;
  const Source source_;
  const int64_t element_ = static_cast<int64_t>(dtype_size(w_.dtype));
  const int64_t group_ = 4 / element_;  // columns that a panel holds together
  const int64_t first_;
  const int64_t panels_;
  const int64_t row_bytes_;
  Scratch& memory_;
};

void many_rows(const Activations& x, const WeightView& w, int64_t first, int64_t last,
               Mat<float> y) {
  thread_local Scratch memory;
  Panels panels(x, w, first, last, memory);
  for (int64_t row = 0; row < x.rows(); row += kRowsAtOnce) {
    const int64_t count = std::min(kRowsAtOnce, x.rows() - row);
    const float* totals = panels.multiply(row, count);
    for (int64_t begin = first; begin < last; begin += kPanelRows) {
      const auto bytes = static_cast<size_t>(std::min(last - begin, kPanelRows)) * sizeof(float);
      for (int64_t r = 0; r < count; ++r, totals += kPanelRows) {
        std::memcpy(y.row(row + r) + (begin - first), totals, bytes);
      }
    }
  }
}

}  // namespace

void linear(const Activations& x, const WeightView& w, int64_t first, int64_t last, Mat<float> y) {
  FATHOM_CHECK(first % kPanelRows == 0);
  if (w.dtype == DType::kI8) return int8_linear(x, w, first, last, y);
  const bool few = x.rows() <= (w.dtype == DType::kF8E4M3 ? kFewRowsFp8 : kFewRows);
  if (few && w.layout == WeightLayout::kPanels) return few_rows(x, w, first, last, y);
  constexpr int64_t kTogether = kStreamedPanels * kPanelRows;
  for (int64_t begin = first; begin < last; begin += kTogether) {
    const int64_t end = std::min(begin + kTogether, last);
    many_rows(x, w, begin, end, y.cols_from(begin - first, end - begin));
  }
}

void pack_panel(const WeightView& w, int64_t panel, std::byte* out) {
  FATHOM_CHECK(is_panel_place(out));
  const int64_t row_bytes = w.cols * static_cast<int64_t>(dtype_size(w.dtype));
  const int64_t first = panel * kPanelRows;
  pack({static_cast<const uint8_t*>(w.data) + first * row_bytes, row_bytes,
        std::min(w.rows - first, kPanelRows), row_bytes},
       reinterpret_cast<uint8_t*>(out));
}

}  // namespace fathom::avx2
