// Weights between F8_E4M3 with block scales and BF16, with the published conversions' arithmetic.
#pragma once

#include <cstdint>
#include <optional>

#include "tensor/mat_view.h"

namespace fathom {

/// Rows [first, first + count) of an F8_E4M3 matrix as BF16, into out [count, cols]. As the
/// published fp8_cast_bf16.py: F32 value times F32 scale, rounded to F32, then rounded to BF16.
void cast_fp8_to_bf16(const WeightView& weight, int64_t first, int64_t count, uint16_t* out);

struct BlockIndex {
  int64_t row = 0;  // in blocks
  int64_t col = 0;
};

/// Rows [first, first + count) of a BF16 or F32 matrix as F8_E4M3: codes [count, cols], scales
/// [ceil(count/128), ceil(cols/128)]. `first` is a multiple of 128, and so is `count` unless it
/// ends the matrix. As the published quantizer, per block: scale = max|x| / 448 in F32, code = x /
/// scale rounded to nearest even. A block of zeros gets scale 1. Returns the first block that holds
/// a NaN or infinity (then the output is not complete).
std::optional<BlockIndex> cast_to_fp8(const WeightView& weight, int64_t first, int64_t count,
                                      uint8_t* codes, float* scales);

}  // namespace fathom
