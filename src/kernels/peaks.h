// Loops that do nothing but reach what the processor can do: the ceilings that `fathom bench`
// measures speeds against.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace fathom {

/// Each returns something that depends on all it did, so that none of it can be left out.
struct PeakLoops {
  /// Multiply-adds in registers, `rounds` times `*_flops` operations (a multiply and an add are 2,
  /// whole numbers too).
  float (*f32)(int64_t rounds);
  float (*bf16)(int64_t rounds);  ///< pairs of BF16 into F32; where the processor has none, f32
  float (*int8)(
      int64_t rounds);  ///< fours of INT8 into whole numbers; without VNNI, pairs of 16 bits
  int64_t f32_flops;
  int64_t bf16_flops;
  int64_t int8_flops;
  /// Reads every byte once. The size is a multiple of 2048 bytes.
  uint64_t (*read)(std::span<const std::byte> memory);
};

/// The widest that this processor has, whatever set of kernels is in use.
const PeakLoops& peak_loops();

/// Of each instruction set, whether this processor has it or not.
const PeakLoops& avx2_peak_loops();
const PeakLoops& avx512_peak_loops();

}  // namespace fathom
