// The AVX-512 operations, each in a file of its own; table.cc lists them. Needs F, BW, DQ, VL, VBMI
// and BF16.
#pragma once

#include "kernels/ops.h"

namespace fathom::avx512 {

void linear(const Activations& x, const WeightView& w, int64_t first, int64_t last, Mat<float> y);
void pack_panel(const WeightView& w, int64_t panel, std::byte* out);

}  // namespace fathom::avx512
