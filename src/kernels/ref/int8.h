// The definition of the INT8 operations (kernels/int8.h).
#pragma once

#include "kernels/ops.h"

namespace fathom::ref {

Int8Scale quantize_int8(std::span<const float> x, int8_t* codes);
void int8_linear(const Activations& x, const WeightView& w, int64_t first, int64_t last,
                 Mat<float> y);

/// What a panel holds at [row, col], and the scale of that row's block.
int int8_code(const WeightView& w, int64_t row, int64_t col);
float int8_scale(const WeightView& w, int64_t row, int64_t block);

}  // namespace fathom::ref
