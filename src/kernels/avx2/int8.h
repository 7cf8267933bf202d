// The INT8 product (kernels/int8.h) of this set.
#pragma once

#include "kernels/ops.h"

namespace fathom::avx2 {

Int8Scale quantize_int8(std::span<const float> x, int8_t* codes);

/// linear() with weights of INT8.
void int8_linear(const Activations& x, const WeightView& w, int64_t first, int64_t last,
                 Mat<float> y);

}  // namespace fathom::avx2
