// The operations of the forward pass, and the table through which the model calls them. `ref/` is
// the definition; each other set is checked against it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/numerics.h"
#include "tensor/mat_view.h"

namespace fathom {

/// Positions in a page of the latent cache; attention merges page by page.
inline constexpr int64_t kCachePage = 64;

/// Rows of activations in the form that a product's numerics ask for. `f32` is always there:
/// weights that are not FP8 take it under w8a8. See ActivationBuffer for who owns them.
struct Activations {
  Numerics numerics = Numerics::kExact;
  Mat<const float> f32;      // [rows, cols]
  // native: f32 rounded to BF16; w8a8: the codes, widened. Rows are padded with zeros to a multiple
  // of 32 elements, so that a kernel may read pairs.
  Mat<const uint16_t> bf16;
  Mat<const uint8_t> codes;  // w8a8: E4M3
  Mat<const float> scales;   // w8a8: [rows, ceil(cols / 128)]
  std::span<const int32_t> index;  // if not empty: a product's row i is row index[i] of the above

  int64_t rows() const { return index.empty() ? f32.rows : static_cast<int64_t>(index.size()); }
  int64_t cols() const { return f32.cols; }
  Activations rows_from(int64_t first, int64_t count) const;
};

/// The queries of one token against the latent cache of its sequence.
struct AttendArgs {
  Mat<const float> q;  // [heads, kv_lora_rank + qk_rope_head_dim], the nope part absorbed
  std::span<std::byte* const> pages;
  size_t layer_offset = 0;  // bytes from a page's start to this layer's [64, latent] block
  DType cache_dtype = DType::kF32;
  int64_t length = 0;  // attends to positions 0 .. length - 1
  int64_t kv_lora_rank = 0;
  float softmax_scale = 1;
  Mat<float> out;  // [heads, kv_lora_rank]: the probability-weighted latents
};

/// One instruction set's operations. Every function works on the range it is given and on nothing
/// else, so that the caller shares out work as it likes.
struct Kernels {
  const char* name;

  /// bf16 / codes and scales from f32, row by row. Block maximum clamped to 1e-4, scale = max /
  /// 448.
  void (*round_bf16)(std::span<const float> x, uint16_t* out);
  void (*quantize_e4m3)(std::span<const float> x, uint8_t* codes, float* scales);

  /// y[r, n - first] = sum over k of x[r, k] * w[n, k] for n in [first, last): K in blocks of 128
  /// in order, each block's sum times its scale.
  void (*linear)(const Activations& x, const WeightView& w, int64_t first, int64_t last,
                 Mat<float> y);

  /// y[c] = sum over r of x[r] * w[first_row + r, c]: a product with the transpose of some rows.
  /// Weights are dequantized, x is taken as it is.
  void (*linear_transposed)(std::span<const float> x, const WeightView& w, int64_t first_row,
                            std::span<float> y);

  /// y = x / sqrt(mean(x^2) + eps) * weight.
  void (*rms_norm)(std::span<const float> x, std::span<const float> weight, float eps, float* y);

  /// y = silu(gate) * up.
  void (*swiglu)(std::span<const float> gate, std::span<const float> up, float* y);

  /// Rotates interleaved pairs (x[2i], x[2i+1]) by the angles of `cos` and `sin`, in place.
  void (*rope)(std::span<float> x, std::span<const float> cos, std::span<const float> sin);

  /// Softmax attention for heads [first, last): pages in order, the running maximum and sum carried
  /// from page to page.
  void (*attend)(const AttendArgs& args, int64_t first, int64_t last);
};

/// The plain definition.
const Kernels& ref_kernels();

/// The best set for this processor, chosen once; FATHOM_ISA (ref, avx2, avx512) forces one.
/// Throws Error(kUnsupported) when that one is unknown or the processor lacks it.
const Kernels& kernels();

}  // namespace fathom
