#include "kernels/activations.h"

#include <algorithm>
#include <array>

#include "tensor/float_formats.h"

namespace fathom {
namespace {

template <typename T>
T* grow(Buffer& buffer, int64_t elements) {
  const size_t bytes = static_cast<size_t>(elements) * sizeof(T);
  if (buffer.size() < bytes) buffer = Buffer(bytes);
  return buffer.as<T>();
}

const std::array<uint16_t, 256>& widened_codes() {
  static const auto table = [] {
    std::array<uint16_t, 256> t{};
    for (size_t i = 0; i < t.size(); ++i) {
      t[i] = f32_to_bf16(e4m3_to_f32(static_cast<uint8_t>(i)));
    }
    return t;
  }();
  return table;
}

void fill_int8(const Kernels& kernels, const Int8Rows& rows, std::span<const float> x, int64_t row,
               int64_t first) {
  const auto size = static_cast<int64_t>(x.size());
  for (int64_t begin = 0; begin < size; begin += kScaleBlock) {
    const int64_t block = (first + begin) / kScaleBlock;
    const int64_t count = std::min(kScaleBlock, size - begin);
    // An ActivationBuffer's own memory, as in fill_row.
    const_cast<Int8Scale&>(rows.scale(row, block)) =
        kernels.quantize_int8(x.subspan(static_cast<size_t>(begin), static_cast<size_t>(count)),
                              const_cast<int8_t*>(rows.at(row, block)));
  }
}

}  // namespace

Activations Activations::part(int64_t first, int64_t count, int64_t cols) const {
  FATHOM_CHECK(index.empty());
  Activations result;
  result.numerics = numerics;
  result.f32 = f32.rows_from(first, count).cols_from(0, cols);
  if (bf16.data) result.bf16 = {bf16.at(first, 0), bf16.block_stride};
  if (codes.data) {
    result.codes = codes.rows_from(first, count).cols_from(0, cols);
    result.scales = scales.rows_from(first, count).cols_from(0, ceil_div(cols, kScaleBlock));
  }
  if (int8.codes) {
    result.int8 = {int8.at(first, 0), int8.scales + first, int8.block_rows};
  }
  return result;
}

Activations ActivationBuffer::reserve(Numerics numerics, Mat<const float> x) {
  Activations result;
  result.numerics = numerics;
  result.f32 = x;
  if (numerics == Numerics::kExact) return result;
  const int64_t blocks = ceil_div(x.cols, kScaleBlock);
  const int64_t stride = x.rows * kScaleBlock;
  if (numerics == Numerics::kInt8) {
    result.int8 = {grow<int8_t>(int8_codes_, blocks * stride),
                   grow<Int8Scale>(int8_scales_, blocks * x.rows), x.rows};
    return result;
  }
  result.bf16 = {grow<uint16_t>(bf16_, blocks * stride), stride};
  if (numerics == Numerics::kW8A8) {
    result.codes = {grow<uint8_t>(codes_, x.rows * x.cols), x.rows, x.cols};
    result.scales = {grow<float>(scales_, x.rows * blocks), x.rows, blocks};
  }
  return result;
}

void fill_columns(const Kernels& kernels, const Activations& view, int64_t row, int64_t first,
                  int64_t last) {
  if (view.numerics == Numerics::kExact) return;
  const std::span<const float> x =
      view.f32.row_span(row).subspan(static_cast<size_t>(first), static_cast<size_t>(last - first));
  if (view.numerics == Numerics::kInt8) return fill_int8(kernels, view.int8, x, row, first);
  uint8_t* codes = nullptr;
  if (view.numerics == Numerics::kW8A8) {
    // The memory is an ActivationBuffer's own, const in the view for those who multiply by it.
    codes = const_cast<uint8_t*>(view.codes.row(row)) + first;
    kernels.quantize_e4m3(x, codes, const_cast<float*>(view.scales.row(row)) + first / kScaleBlock);
  }
  const int64_t size = last - first;
  for (int64_t begin = 0; begin < size; begin += kScaleBlock) {
    const int64_t count = std::min(kScaleBlock, size - begin);
    auto* out = const_cast<uint16_t*>(view.bf16.at(row, (first + begin) / kScaleBlock));
    if (codes) {
      const auto& table = widened_codes();
      for (int64_t i = 0; i < count; ++i) out[i] = table[codes[begin + i]];
    } else {
      kernels.round_bf16(x.subspan(static_cast<size_t>(begin), static_cast<size_t>(count)), out);
    }
    std::fill(out + count, out + kScaleBlock, uint16_t{0});
  }
}

void fill_row(const Kernels& kernels, const Activations& view, int64_t row) {
  fill_columns(kernels, view, row, 0, view.cols());
}

Activations ActivationBuffer::prepare(const Kernels& kernels, Numerics numerics,
                                      Mat<const float> x) {
  const Activations result = reserve(numerics, x);
  for (int64_t r = 0; r < x.rows; ++r) fill_row(kernels, result, r);
  return result;
}

}  // namespace fathom
