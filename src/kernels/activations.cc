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

// Kernels read pairs, and whole vectors of them: each row of BF16 is padded with zeros.
constexpr int64_t kPadding = 32;

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

}  // namespace

Activations Activations::part(int64_t first, int64_t count, int64_t cols) const {
  FATHOM_CHECK(index.empty());
  Activations result;
  result.numerics = numerics;
  result.f32 = f32.rows_from(first, count).cols_from(0, cols);
  if (bf16.data) result.bf16 = bf16.rows_from(first, count).cols_from(0, cols);
  if (codes.data) {
    result.codes = codes.rows_from(first, count).cols_from(0, cols);
    result.scales = scales.rows_from(first, count).cols_from(0, ceil_div(cols, kScaleBlock));
  }
  return result;
}

Activations ActivationBuffer::reserve(Numerics numerics, Mat<const float> x) {
  Activations result;
  result.numerics = numerics;
  result.f32 = x;
  if (numerics == Numerics::kExact) return result;
  const int64_t stride = ceil_div(x.cols, kPadding) * kPadding;
  result.bf16 = {grow<uint16_t>(bf16_, x.rows * stride), x.rows, x.cols, stride};
  if (numerics == Numerics::kW8A8) {
    const int64_t blocks = ceil_div(x.cols, kScaleBlock);
    result.codes = {grow<uint8_t>(codes_, x.rows * x.cols), x.rows, x.cols};
    result.scales = {grow<float>(scales_, x.rows * blocks), x.rows, blocks};
  }
  return result;
}

void fill_row(const Kernels& kernels, const Activations& view, int64_t row) {
  if (view.numerics == Numerics::kExact) return;
  const std::span<const float> x = view.f32.row_span(row);
  // The memory is an ActivationBuffer's own, const in the view for those who multiply by it.
  auto* bf16 = const_cast<uint16_t*>(view.bf16.row(row));
  std::fill(bf16 + x.size(), bf16 + ceil_div(view.cols(), kPadding) * kPadding, uint16_t{0});
  if (view.numerics == Numerics::kNative) {
    kernels.round_bf16(x, bf16);
    return;
  }
  auto* codes = const_cast<uint8_t*>(view.codes.row(row));
  kernels.quantize_e4m3(x, codes, const_cast<float*>(view.scales.row(row)));
  const auto& table = widened_codes();
  for (size_t i = 0; i < x.size(); ++i) bf16[i] = table[codes[i]];
}

Activations ActivationBuffer::prepare(const Kernels& kernels, Numerics numerics,
                                      Mat<const float> x) {
  const Activations result = reserve(numerics, x);
  for (int64_t r = 0; r < x.rows; ++r) fill_row(kernels, result, r);
  return result;
}

}  // namespace fathom
