// The AVX2 operations, each in a file of its own; table.cc lists them. Needs FMA and F16C, the
// floor of the build.
#pragma once

#include "kernels/ops.h"

namespace fathom::avx2 {

void linear(const Activations& x, const WeightView& w, int64_t first, int64_t last, Mat<float> y);
void pack_panel(const WeightView& w, int64_t panel, std::byte* out);
void round_bf16(std::span<const float> x, uint16_t* out);
void quantize_e4m3(std::span<const float> x, uint8_t* codes, float* scales);
void rms_norm(std::span<const float> x, std::span<const float> weight, float eps, float* y);
void swiglu(std::span<const float> gate, std::span<const float> up, float* y);
void rope(std::span<float> x, std::span<const float> cos, std::span<const float> sin);
void attend(const AttendArgs& args, int64_t first, int64_t last, const AttendState& state);
void merge(const AttendState& earlier, const AttendState& later);

}  // namespace fathom::avx2
