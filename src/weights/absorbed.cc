#include "weights/absorbed.h"

#include <cstring>

#include "tensor/float_formats.h"

namespace fathom {
namespace {

// A block of the checkpoint's matrix as a matrix of its own.
struct Source {
  const WeightView& w;
  DType dtype;  // to copy as: the checkpoint's, or F32
  int64_t first_row;

  void copy(int64_t row, int64_t col, std::byte* to) const {
    const int64_t at = (first_row + row) * w.cols + col;
    const size_t size = dtype_size(w.dtype);
    const auto* from = static_cast<const std::byte*>(w.data) + static_cast<size_t>(at) * size;
    if (dtype == w.dtype) {
      std::memcpy(to, from, size);
      return;
    }
    const float scale =
        w.scale[(first_row + row) / kScaleBlock * w.scale_cols() + col / kScaleBlock];
    const float value = e4m3_to_f32(static_cast<uint8_t>(*from)) * scale;
    std::memcpy(to, &value, sizeof value);
  }
};

// rows x cols of the source, or of its transpose, row-major.
std::vector<std::byte> gather(const Source& source, int64_t rows, int64_t cols, bool transposed) {
  const size_t size = dtype_size(source.dtype);
  std::vector<std::byte> out(static_cast<size_t>(rows * cols) * size);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < cols; ++c) {
      source.copy(transposed ? c : r, transposed ? r : c,
                  out.data() + static_cast<size_t>(r * cols + c) * size);
    }
  }
  return out;
}

}  // namespace

AbsorbedWeights::AbsorbedWeights(const Kernels& kernels, const WeightView& kv_b,
                                 const AbsorbedShape& shape) {
  const bool fp8 = kv_b.dtype == DType::kF8E4M3;
  const bool aligned = shape.nope % kScaleBlock == 0 && shape.value % kScaleBlock == 0;
  const DType dtype = fp8 && !aligned ? DType::kF32 : kv_b.dtype;
  const auto element = static_cast<int64_t>(dtype_size(dtype));
  const size_t key_bytes = packed_bytes(shape.rank, shape.nope * element);
  const size_t value_bytes = packed_bytes(shape.value, shape.rank * element);
  data_ = Buffer(static_cast<size_t>(shape.heads) * (key_bytes + value_bytes));
  const int64_t rank_blocks = ceil_div(shape.rank, kScaleBlock);
  const bool scaled = fp8 && aligned;
  const int64_t key_blocks = shape.nope / kScaleBlock, value_blocks = shape.value / kScaleBlock;
  if (scaled) {
    scales_.resize(static_cast<size_t>(shape.heads * rank_blocks * (key_blocks + value_blocks)));
  }

  std::byte* to = data_.data();
  float* scale = scales_.data();
  const auto add = [&](std::vector<WeightView>& list, const std::vector<std::byte>& rows,
                       WeightView view, size_t bytes) {
    view.dtype = dtype;
    view.data = rows.data();
    view.scale = scaled ? scale : nullptr;
    for (int64_t p = 0; p < ceil_div(view.rows, kPanelRows); ++p) {
      kernels.pack_panel(view, p, to + static_cast<size_t>(p) * panel_bytes(view.cols * element));
    }
    view.data = to;
    view.layout = WeightLayout::kPanels;
    list.push_back(view);
    to += bytes;
  };
  for (int64_t h = 0; h < shape.heads; ++h) {
    const int64_t first = h * (shape.nope + shape.value);
    WeightView key, value;
    key.rows = shape.rank;
    key.cols = shape.nope;
    value.rows = shape.value;
    value.cols = shape.rank;
    add(keys_, gather({kv_b, dtype, first}, shape.rank, shape.nope, true), key, key_bytes);
    if (scaled) {
      const float* from = kv_b.scale + first / kScaleBlock * rank_blocks;
      for (int64_t r = 0; r < rank_blocks; ++r) {
        for (int64_t c = 0; c < key_blocks; ++c) *scale++ = from[c * rank_blocks + r];
      }
    }
    const int64_t values = first + shape.nope;
    add(values_, gather({kv_b, dtype, values}, shape.value, shape.rank, false), value, value_bytes);
    if (scaled) {
      std::memcpy(scale, kv_b.scale + values / kScaleBlock * rank_blocks,
                  static_cast<size_t>(value_blocks * rank_blocks) * sizeof(float));
      scale += value_blocks * rank_blocks;
    }
  }
}

}  // namespace fathom
