// Non-owning views. Storage is a mapped checkpoint, a Buffer, or a cache page; a view never frees.
#pragma once

#include <cstdint>
#include <span>

#include "base/check.h"
#include "tensor/dtype.h"

namespace fathom {

/// One FP8 scale covers this many rows and columns.
inline constexpr int64_t kScaleBlock = 128;

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// kRowMajor: as the checkpoint stores it. kPanels: as kernels/panel.h describes.
enum class WeightLayout { kRowMajor, kPanels };

/// A weight matrix [rows, cols]: rows are outputs, columns are inputs. F8_E4M3 data come with
/// `scale`, F32 [ceil(rows/128), ceil(cols/128)]; other types have none.
struct WeightView {
  const void* data = nullptr;
  DType dtype = DType::kF32;
  int64_t rows = 0;
  int64_t cols = 0;
  const float* scale = nullptr;
  WeightLayout layout = WeightLayout::kRowMajor;
  bool finite = false;  // F8_E4M3 known to hold no NaN

  int64_t scale_cols() const { return ceil_div(cols, kScaleBlock); }
  size_t bytes() const { return static_cast<size_t>(rows * cols) * dtype_size(dtype); }
  explicit operator bool() const { return data != nullptr; }
};

/// A row-major block of T whose rows lie `stride` elements apart.
template <typename T>
struct Mat {
  T* data = nullptr;
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t stride = 0;

  Mat() = default;
  Mat(T* d, int64_t r, int64_t c) : data(d), rows(r), cols(c), stride(c) {}
  Mat(T* d, int64_t r, int64_t c, int64_t s) : data(d), rows(r), cols(c), stride(s) {}
  operator Mat<const T>() const { return {data, rows, cols, stride}; }

  T* row(int64_t r) const { return data + r * stride; }
  Mat rows_from(int64_t first, int64_t count) const {
    FATHOM_CHECK(first >= 0 && count >= 0 && first + count <= rows);
    return {data + first * stride, count, cols, stride};
  }
  Mat cols_from(int64_t first, int64_t count) const {
    FATHOM_CHECK(first >= 0 && count >= 0 && first + count <= cols);
    return {data + first, rows, count, stride};
  }
  std::span<T> row_span(int64_t r) const { return {row(r), static_cast<size_t>(cols)}; }
};

}  // namespace fathom
