// The trainer's hot loops: one table per instruction set, chosen once at start.
//
// Products run in BF16 with F32 accumulation. An operand comes in one of two layouts, each made of
// 32-bit words that hold two consecutive elements along K (the lower half is the even one):
//   rows   word(r, k) = data[r * ld + k]: row-major, ld words a row;
//   pairs  word(r, k) = data[(r / 64) * panel + k * 64 + r % 64]: panels of 64 rows, K outside.
// The left operand may be either, the right one is always pairs. E4M3 widens to BF16 exactly, so
// FP8 operands are the same words with F32 scales per 128 of K; partial sums are promoted to F32,
// times both scales, every 128 elements of K (technical report, 3.3.2).
#pragma once

#include <cstdint>

namespace fathom::train {

inline constexpr int64_t kPanel = 64;       // rows of a panel of the pairs layout
inline constexpr int64_t kBlockPairs = 64;  // 128 elements of K share a scale

/// One side of a product.
struct Side {
  const uint32_t* data = nullptr;
  int64_t row_stride = 0;    // words between rows within 64 rows
  int64_t k_stride = 0;      // words between pairs of K
  int64_t panel_stride = 0;  // words between groups of 64 rows
  /// Null: no scales. One per row and 128 of K, at strides like the words'. The right side's have
  /// scale_row 1 and scale_k 64.
  const float* scale = nullptr;
  int64_t scale_row = 0;
  int64_t scale_k = 0;
  int64_t scale_panel = 0;
};

/// C[row0 .. row1, panel0 * 64 .. min(panel1 * 64, cols)) (+)= A B^T over `pairs` pairs of K.
struct Product {
  Side a, b;
  float* c = nullptr;  // row row0 of C
  int64_t ldc = 0;
  int64_t row0 = 0, row1 = 0;
  int64_t panel0 = 0, panel1 = 0;
  int64_t cols = 0;
  int64_t pairs = 0;
  bool accumulate = false;
  bool round_bf16 = false;  // round C to BF16 (not with accumulate)
};

/// Rows to be laid out as an operand: row i is x + index[i] * ld, or x + i * ld without an index;
/// index[i] < 0 is a row of zeros.
struct SourceRows {
  const float* x = nullptr;
  int64_t ld = 0;
  const int32_t* index = nullptr;
  int64_t rows = 0;
  int64_t cols = 0;
};

/// How scales are chosen. kExact: amax / 448. kPow2: the power of two above it.
enum class ScaleKind { kExact, kPow2 };

/// AdamW on one slice; moments in BF16 (rounded stochastically when `dither` is not 0).
struct AdamSlice {
  float* p;
  const float* g;
  uint16_t* m;
  uint16_t* v;
  float* ema;  // may be null
  int64_t n;
  float grad_scale, lr, beta1, beta2, eps, weight_decay, correct1, correct2, ema_decay;
  uint64_t dither;
};

struct Table {
  const char* name;
  void (*product)(const Product&);

  /// BF16 rows layout: out [rows, ld_out words].
  void (*rows_bf16)(const SourceRows&, uint32_t* out, int64_t ld_out);
  /// E4M3 in 1x128 tiles, widened: out as above, scale [rows, scale_ld], codes [rows, cols] or
  /// null.
  void (*rows_fp8)(const SourceRows&, ScaleKind, uint32_t* out, int64_t ld_out, float* scale,
                   int64_t scale_ld, uint8_t* codes);
  /// BF16 pairs layout along the rows (K = rows): writes pairs k0 .. of every panel of `out`,
  /// where panel p starts at out + p * panel_stride. An odd last row pairs with zeros.
  void (*pairs_bf16)(const SourceRows&, uint32_t* out, int64_t panel_stride);
  /// The same in E4M3 with 128x1 tiles, for at most 128 rows: scale of column j at
  /// scale[(j / 64) * scale_stride + j % 64].
  void (*pairs_fp8)(const SourceRows&, ScaleKind, uint32_t* out, int64_t panel_stride, float* scale,
                    int64_t scale_stride);

  /// Codes back to F32: x [rows, cols] from codes and scale [rows, scale_ld].
  void (*unpack_fp8)(const uint8_t* codes, const float* scale, int64_t scale_ld, int64_t rows,
                     int64_t cols, float* x);

  /// p = exp(x * scale - max), row by row over `n` of each row; returns nothing, writes the row's
  /// log-sum-exp. x is overwritten with the normalized probabilities.
  void (*softmax)(float* x, int64_t n, float scale, float* lse);
  /// x = exp(x * scale - lse).
  void (*exp_shift)(float* x, int64_t n, float scale, float lse);
  /// ds = p * (dp - sum(p * dp)) * scale, written to dp.
  void (*softmax_back)(const float* p, float* dp, int64_t n, float scale);

  void (*rmsnorm)(const float* x, const float* w, int64_t n, float eps, float* y, float* inv);
  /// dx += the gradient; dw += this row's share.
  void (*rmsnorm_back)(const float* x, const float* w, const float* dy, float inv, int64_t n,
                       float* dx, float* dw);
  void (*swiglu)(const float* g, const float* u, int64_t n, float* y);
  /// dg, du from dy, and y recomputed. dg may be dy.
  void (*swiglu_back)(const float* g, const float* u, const float* dy, int64_t n, float* y,
                      float* dg, float* du);
  void (*axpy)(float a, const float* x, int64_t n, float* y);
  float (*dot)(const float* x, const float* y, int64_t n);
  double (*sum_squares)(const float* x, int64_t n);
  void (*adam)(const AdamSlice&);
};

/// The best table that the processor and FATHOM_ISA (ref and avx2: AVX2; avx512) allow.
const Table& table();

extern const Table kAvx2Table;
extern const Table kAvx512Table;

}  // namespace fathom::train
