// y = x W^T, 64 rows of W (a panel) at a time: lanes run over the rows of W, activations are
// broadcast. Each output adds its products in the order of K inside a block of 128 and each block's
// sum, scaled, to its total: the same whatever the number of rows of x.
#include <algorithm>
#include <cstring>

#include "kernels/avx512/int8.h"
#include "kernels/avx512/pack.h"
#include "kernels/avx512/rows.h"
#include "kernels/avx512/table.h"
#include "kernels/avx512/tiles.h"
#include "kernels/panel.h"
#include "tensor/buffer.h"

namespace fathom::avx512 {
namespace {

constexpr int64_t kPackChunk =
    512;  // columns packed at a time from a row-major matrix: 32 KB of FP8
// More rows than that, all of K, do not stay in the second cache from one panel to the next: block
// by block they serve several panels.
constexpr int64_t kCachedRowBytes = 512 << 10;

/// A thread's working memory.
struct Scratch {
  Buffer packed{size_t{kPanelRows} * kPackChunk};      // one chunk of a row-major matrix
  Buffer pairs{size_t{kPanelRows} * kScaleBlock * 2};  // one block, widened
  Buffer floats{size_t{kPanelRows} * kScaleBlock * 4};
  Buffer totals;  // [panels][rows of x][64]
  Buffer rows;    // where each row of x begins
  Buffer scales;  // of each row, of the block at hand
  const E4M3Table table = make_e4m3_table();

  template <typename T>
  static T* grow(Buffer& buffer, int64_t count) {
    const auto bytes = static_cast<size_t>(count) * sizeof(T);
    if (buffer.size() < bytes) buffer = Buffer(bytes);
    return buffer.as<T>();
  }
};

Scratch& scratch() {
  thread_local Scratch instance;
  return instance;
}

/// Whether a product takes its activations, and so its weights, as floats.
bool takes_floats(const Activations& x, const WeightView& w) {
  return w.dtype == DType::kF32 || x.numerics == Numerics::kExact ||
         (x.numerics == Numerics::kW8A8 && w.dtype != DType::kF8E4M3);
}

/// Some panels of w against all rows of x.
class Panels {
 public:
  Panels(const Activations& x, const WeightView& w, int64_t first, int64_t last, Mat<float> y)
      : w_(w),
        floats_(takes_floats(x, w)),
        fp8_(w.dtype == DType::kF8E4M3),
        rows_(rows_of(x, floats_, x.numerics == Numerics::kW8A8 && fp8_)),
        element_(static_cast<int64_t>(dtype_size(w.dtype))),
        first_(first),
        last_(last),
        panels_(ceil_div(last - first, kPanelRows)),
        blocks_(w.scale_cols()),
        y_(y),
        memory_(scratch()),
        totals_(Scratch::grow<float>(memory_.totals, panels_ * rows_.count * kPanelFloats)),
        scales_(Scratch::grow<float>(memory_.scales, rows_.count)),
        x_(Scratch::grow<const std::byte*>(memory_.rows, rows_.count)) {
    for (int64_t i = 0; i < rows_.count; ++i) x_[i] = rows_.at(i, 0);
  }

  void multiply() {
    const bool in_panels = w_.layout == WeightLayout::kPanels;
    by_blocks_ = in_panels && rows_.count * w_.cols * (floats_ ? 4 : 2) > kCachedRowBytes;
    for (int64_t i = 0; i < panels_ * blocks_; ++i) multiply_block(place(i), place(i + 1));
  }

 private:
  struct Place {
    int64_t panel;
    int64_t block;
  };

  Place place(int64_t i) const {
    if (i >= panels_ * blocks_) i = 0;
    if (by_blocks_) return {i % panels_, i / panels_};
    return {i / blocks_, i % blocks_};
  }

  int64_t columns(int64_t block) const {
    return std::min(kScaleBlock, w_.cols - block * kScaleBlock);
  }

  float* totals(int64_t panel) const { return totals_ + panel * rows_.count * kPanelFloats; }

  // A block's bytes in its panel; of a row-major matrix a chunk of blocks is packed at its first.
  const uint8_t* codes(const Place& at) {
    const int64_t row_bytes = w_.cols * element_;
    const int64_t row = first_ + at.panel * kPanelRows;
    const int64_t column = at.block * kScaleBlock;
    const auto* data = static_cast<const uint8_t*>(w_.data);
    if (w_.layout == WeightLayout::kPanels) {
      return data + static_cast<size_t>(row / kPanelRows) * panel_bytes(row_bytes) +
             column * element_ * kPanelRows;
    }
    const int64_t chunk = kPackChunk / element_;
    if (column % chunk == 0) {
      pack(
          {data + row * row_bytes + column * element_, row_bytes,
           std::min(w_.rows - row, kPanelRows), std::min(chunk, w_.cols - column) * element_, fp8_},
          memory_.packed.as<uint8_t>());
    }
    return memory_.packed.as<uint8_t>() + column % chunk * element_ * kPanelRows;
  }

  // The block in the form that tiles take.
  const uint8_t* widened(const uint8_t* codes, int64_t columns) {
    if (fp8_) {
      widen_to_pairs(codes, columns, memory_.table, memory_.pairs.as<uint8_t>());
      codes = memory_.pairs.as<uint8_t>();
    }
    if (floats_ && w_.dtype != DType::kF32) {
      widen_to_floats(codes, columns, memory_.floats.as<uint8_t>());
      codes = memory_.floats.as<uint8_t>();
    }
    return codes;
  }

  void fill_scales(const Place& at) {
    const int64_t row = (first_ + at.panel * kPanelRows) / kScaleBlock;
    const float scale = w_.scale ? w_.scale[row * w_.scale_cols() + at.block] : 1.0f;
    for (int64_t i = 0; i < rows_.count; ++i) scales_[i] = scale * rows_.scale(i, at.block);
  }

  Totals after(const Place& at) const {
    if (at.block + 1 < blocks_) return {totals(at.panel), kPanelFloats, kPanelFloats};
    const int64_t column = at.panel * kPanelRows;
    return {y_.data + column, y_.stride, std::min(last_ - first_ - column, kPanelRows)};
  }

  void multiply_block(const Place& at, const Place& next) {
    const int64_t count = columns(at.block);
    const uint8_t* block = codes(at);
    BlockArgs args{};
    if (fp8_ && !floats_) {
      args.codes = block;
      args.table = &memory_.table;
      args.widened = memory_.pairs.as<uint8_t>();
      args.weights = args.widened;
    } else {
      args.weights = widened(block, count);
    }
    args.steps = floats_ ? count : ceil_div(count, 2);
    args.x = x_;
    args.rows = rows_.count;
    args.offset = at.block * rows_.block_stride;
    fill_scales(at);
    args.scale = scales_;
    args.totals = totals(at.panel);
    args.fresh = at.block == 0;
    args.after = after(at);
    args.next_offset = next.block * rows_.block_stride;
    args.next_totals = totals(next.panel);
    // Of a panel in place; a chunk packed just now is in the cache anyway.
    Ahead ahead{args.weights, args.weights};
    if (w_.layout == WeightLayout::kPanels) {
      ahead.next = codes(next);
      ahead.end = ahead.next + columns(next.block) * element_ * kPanelRows;
    }
    (floats_ ? block_product<Floats> : block_product<Pairs>)(args, ahead);
  }

  const WeightView& w_;
  const bool floats_, fp8_;
  const Rows rows_;
  const int64_t element_;
  const int64_t first_, last_;  // rows of w
  const int64_t panels_, blocks_;
  const Mat<float> y_;
  Scratch& memory_;
  float* const totals_;
  float* const scales_;
  const std::byte** const x_;
  bool by_blocks_ = false;
};

}  // namespace

void linear(const Activations& x, const WeightView& w, int64_t first, int64_t last, Mat<float> y) {
  FATHOM_CHECK(first % kPanelRows == 0);
  if (w.dtype == DType::kI8) return int8_linear(x, w, first, last, y);
  if (x.rows() == 0) return;
  if (!takes_floats(x, w) && w.layout == WeightLayout::kPanels && x.rows() <= kStreamedRows) {
    return few_rows(x, w, first, last, y);
  }
  // Several panels share what is fetched of x; more totals than these do not stay in the cache.
  constexpr int64_t kTogether = kStreamedPanels * kPanelRows;
  for (int64_t begin = first; begin < last; begin += kTogether) {
    const int64_t end = std::min(begin + kTogether, last);
    Panels(x, w, begin, end, y.cols_from(begin - first, end - begin)).multiply();
  }
}

void pack_panel(const WeightView& w, int64_t panel, std::byte* out) {
  FATHOM_CHECK(is_panel_place(out));
  const int64_t row_bytes = w.cols * static_cast<int64_t>(dtype_size(w.dtype));
  const int64_t first = panel * kPanelRows;
  pack({static_cast<const uint8_t*>(w.data) + first * row_bytes, row_bytes,
        std::min(w.rows - first, kPanelRows), row_bytes, w.dtype == DType::kF8E4M3},
       reinterpret_cast<uint8_t*>(out));
}

}  // namespace fathom::avx512
