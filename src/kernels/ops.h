// The operations of the forward pass, and the table through which the model calls them. `ref/` is
// the definition; each other set is checked against it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/int8.h"
#include "kernels/numerics.h"
#include "kernels/panel.h"
#include "tensor/mat_view.h"

namespace fathom {

/// Positions in a page of the latent cache.
inline constexpr int64_t kCachePage = 64;

/// Positions whose attention is computed from nothing and then merged into what came before. A
/// multiple of the page; part of the definition of a result's bits.
inline constexpr int64_t kAttendPart = 1024;

/// Rows of queries that one call of attend takes at most.
inline constexpr int64_t kAttendRows = 64;

/// Rows of BF16 in blocks of kScaleBlock columns: all rows of a block lie one after another, which
/// is how products walk over them (a row-major matrix of a power of two's width would have all its
/// rows in the same few sets of a cache). The last block ends in zeros.
struct BlockedRows {
  const uint16_t* data = nullptr;
  int64_t block_stride = 0;  // elements from a block to the next

  const uint16_t* at(int64_t row, int64_t block) const {
    return data + block * block_stride + row * kScaleBlock;
  }
};

/// Rows of activations in the form that a product's numerics ask for. `f32` is always there:
/// weights that are not FP8 take it under w8a8. See ActivationBuffer for who owns them.
struct Activations {
  Numerics numerics = Numerics::kExact;
  Mat<const float> f32;            // [rows, cols]; weights in F32 take these under any numerics
  BlockedRows bf16;                // native: f32 rounded to BF16; w8a8: the codes, widened
  Mat<const uint8_t> codes;        // w8a8: E4M3
  Mat<const float> scales;         // w8a8: [rows, ceil(cols / 128)]
  Int8Rows int8;                   // int8: what weights of INT8 take
  std::span<const int32_t> index;  // if not empty: a product's row i is row index[i] of the above

  int64_t rows() const { return index.empty() ? f32.rows : static_cast<int64_t>(index.size()); }
  int64_t cols() const { return f32.cols; }
  /// Rows [first, first + count), the first `cols` columns. Not with an index.
  Activations part(int64_t first, int64_t count, int64_t cols) const;
};

/// Softmax attention that is not yet divided by its sum: for each row the largest score, the sum of
/// exp(score - top), and the latents weighted by the same.
struct AttendState {
  Mat<float> out;  // [rows, kv_lora_rank]
  float* top;      // [rows]
  float* total;    // [rows]
};

/// Some queries of one sequence (heads of one token or of several) against its latent cache.
struct AttendArgs {
  Mat<const float> q;                // [rows <= kAttendRows, latent], the nope part absorbed
  const int64_t* lengths = nullptr;  // row r attends to positions 0 .. lengths[r] - 1
  std::span<std::byte* const> pages;
  size_t layer_offset = 0;  // bytes from a page's start to this layer's [64, latent_stride] block
  DType cache_dtype = DType::kF32;
  int64_t latent_stride = 0;  // elements from one position to the next; even
  int64_t kv_lora_rank = 0;
  float softmax_scale = 1;
};

/// One instruction set's operations. Every function works on the range it is given and on nothing
/// else, so that the caller shares out work as it likes.
struct Kernels {
  const char* name;

  /// bf16 / codes and scales from f32, row by row. Block maximum clamped to 1e-4, scale = max /
  /// 448.
  void (*round_bf16)(std::span<const float> x, uint16_t* out);
  void (*quantize_e4m3)(std::span<const float> x, uint8_t* codes, float* scales);
  /// One block of up to kScaleBlock values: kScaleBlock codes, zeros after the last, scale = max /
  /// 127 (kernels/int8.h). The same bits from every set.
  Int8Scale (*quantize_int8)(std::span<const float> x, int8_t* codes);

  /// y[r, n - first] = sum over k of x[r, k] * w[n, k] for n in [first, last): K in blocks of 128
  /// in order, each block's sum times its scale. `first` is a multiple of kPanelRows. Weights of
  /// INT8 take activations of Numerics::kInt8, and give the same bits from every set.
  void (*linear)(const Activations& x, const WeightView& w, int64_t first, int64_t last,
                 Mat<float> y);

  /// Writes rows 64 * panel and on of a row-major matrix in this set's layout (kernels/panel.h),
  /// panel_bytes() of it, to where is_panel_place().
  void (*pack_panel)(const WeightView& w, int64_t panel, std::byte* out);

  /// y = x / sqrt(mean(x^2) + eps) * weight.
  void (*rms_norm)(std::span<const float> x, std::span<const float> weight, float eps, float* y);

  /// y = silu(gate) * up.
  void (*swiglu)(std::span<const float> gate, std::span<const float> up, float* y);

  /// Rotates interleaved pairs (x[2i], x[2i+1]) by the angles of `cos` and `sin`, in place.
  void (*rope)(std::span<float> x, std::span<const float> cos, std::span<const float> sin);

  /// Attends to positions part * kAttendPart and on for parts [first, last): each from nothing,
  /// then merged in order. Of a row that ends before a part that part is empty: top -infinity,
  /// total 0.
  void (*attend)(const AttendArgs& args, int64_t first, int64_t last, const AttendState& state);

  /// Merges the later state into the earlier, as attend does.
  void (*merge)(const AttendState& earlier, const AttendState& later);
};

/// The plain definition.
const Kernels& ref_kernels();

/// The others, whether this processor has them or not.
const Kernels& avx2_kernels();
const Kernels& avx512_kernels();

/// All that this processor can run, the slowest first.
std::span<const Kernels* const> runnable_kernels();

/// The best set for this processor, chosen once; FATHOM_ISA (ref, avx2, avx512) forces one.
/// Throws Error(kUnsupported) when that one is unknown or the processor lacks it.
const Kernels& kernels();

}  // namespace fathom
