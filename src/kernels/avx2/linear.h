// What the files of this set's products share.
#pragma once

#include "kernels/ops.h"
#include "tensor/buffer.h"

namespace fathom::avx2 {

/// The most rows for which it pays not to widen a block into memory.
inline constexpr int64_t kFewRows = 12;
inline constexpr int64_t kFewRowsFp8 = 8;

/// linear() of at most kFewRows rows with weights of FP8, BF16 or F32 in panels.
void few_rows(const Activations& x, const WeightView& w, int64_t first, int64_t last, Mat<float> y);

/// Room for so many T, what was there before lost where it was too little.
template <typename T>
T* grow(Buffer& buffer, int64_t count) {
  const auto bytes = static_cast<size_t>(count) * sizeof(T);
  if (buffer.size() < bytes) buffer = Buffer(bytes);
  return buffer.as<T>();
}

}  // namespace fathom::avx2
