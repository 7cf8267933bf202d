#include "kernels/activations.h"

namespace fathom {
namespace {

template <typename T>
T* reserve(Buffer& buffer, int64_t elements) {
  const size_t bytes = static_cast<size_t>(elements) * sizeof(T);
  if (buffer.size() < bytes) buffer = Buffer(bytes);
  return buffer.as<T>();
}

}  // namespace

Activations Activations::rows_from(int64_t first, int64_t count) const {
  Activations part{numerics, f32.rows_from(first, count), {}, {}, {}};
  if (bf16.data) part.bf16 = bf16.rows_from(first, count);
  if (codes.data) {
    part.codes = codes.rows_from(first, count);
    part.scales = scales.rows_from(first, count);
  }
  return part;
}

Activations ActivationBuffer::prepare(const Kernels& kernels, Numerics numerics,
                                      Mat<const float> x) {
  Activations result{numerics, x, {}, {}, {}};
  if (numerics == Numerics::kNative) {
    const Mat<uint16_t> bf16(reserve<uint16_t>(bf16_, x.rows * x.cols), x.rows, x.cols);
    for (int64_t r = 0; r < x.rows; ++r) {
      kernels.round_bf16({x.row(r), static_cast<size_t>(x.cols)}, bf16.row(r));
    }
    result.bf16 = bf16;
  }
  if (numerics == Numerics::kW8A8) {
    const int64_t blocks = ceil_div(x.cols, kScaleBlock);
    const Mat<uint8_t> codes(reserve<uint8_t>(codes_, x.rows * x.cols), x.rows, x.cols);
    const Mat<float> scales(reserve<float>(scales_, x.rows * blocks), x.rows, blocks);
    for (int64_t r = 0; r < x.rows; ++r) {
      kernels.quantize_e4m3({x.row(r), static_cast<size_t>(x.cols)}, codes.row(r), scales.row(r));
    }
    result.codes = codes;
    result.scales = scales;
  }
  return result;
}

}  // namespace fathom
