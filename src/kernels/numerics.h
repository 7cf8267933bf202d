// The named ways to compute. A name fixes every rounding; within a name the bits of a result never
// depend on batch, chunking or threads.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tensor/dtype.h"

namespace fathom {

enum class Numerics {
  kNative,  ///< BF16 activations into every product, as the published BF16 inference; BF16 cache
  kExact,   ///< F32 activations, exact dequantized weights, F32 cache
  kW8A8,    ///< the published FP8 GEMM: activations quantized to E4M3 in 1x128 tiles; F32 elsewhere
  kInt8,    ///< weights and activations of projections, experts and head rounded to INT8 in blocks
            ///< of 128 (kernels/int8.h); attention over the cache as kNative
};

std::string_view numerics_name(Numerics numerics);
std::optional<Numerics> parse_numerics(std::string_view name);
/// All names, for messages: "native, exact, ...".
std::string numerics_names();

/// What the latent cache holds.
DType cache_dtype(Numerics numerics);

}  // namespace fathom
