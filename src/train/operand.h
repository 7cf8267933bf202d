// Activations and gradients made ready for the products of a Linear, in the format that the
// precision asks for. With T = double, or in F32, an operand is just the dense values.
#pragma once

#include <cstdint>

#include "base/thread_pool.h"
#include "tensor/buffer.h"
#include "train/simd/table.h"

namespace fathom::train {

/// The precision of a training run.
enum class Precision { kF32, kBF16, kFP8 };

/// How one Linear multiplies. The trunk's Linears follow the run's precision; the output head and
/// eh_proj stay at BF16 in an FP8 run (technical report, 3.3.1).
enum class Format { kDense, kBF16, kFP8 };

constexpr int64_t kTileRows = 128;  // rows that a 128x1 tile covers

constexpr int64_t round_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

/// Grows `buffer` to at least `bytes`; its content is lost when it grows.
void ensure(Buffer& buffer, int64_t bytes);

/// Dense rows: row i is x + index[i] * ld (index[i] < 0: zeros), or x + i * ld without an index.
template <typename T>
struct Dense {
  const T* x = nullptr;
  int64_t ld = 0;
  const int32_t* index = nullptr;
  int64_t rows = 0;
  int64_t cols = 0;

  const T* row(int64_t i) const {
    if (!index) return x + i * ld;
    return index[i] < 0 ? nullptr : x + index[i] * ld;
  }
  Dense range(int64_t first, int64_t count) const {
    if (index) return {x, ld, index + first, count, cols};
    return {x + first * ld, ld, nullptr, count, cols};
  }
};

/// The left side of Fprop and Dgrad: K runs along the columns, FP8 in 1x128 tiles.
template <typename T>
struct Rows {
  Dense<T> dense;
  Format format = Format::kDense;
  Buffer words;  // [rows, ld]
  Buffer scale;  // [rows, blocks]
  int64_t ld = 0;
  int64_t blocks = 0;

  /// Sizes the buffers for `source` without filling them.
  void shape(const Dense<T>& source, Format as);
  /// Fills rows first .. first + count; `codes` [rows, cols] also takes the E4M3 bytes.
  void fill(int64_t first, int64_t count, ScaleKind kind, uint8_t* codes = nullptr);
  /// shape and fill, shared out over the pool.
  void assign(ThreadPool& pool, const Dense<T>& source, Format as, ScaleKind kind);
  /// Rows first .. first + count become copies of from's rows dense.index[i].
  void gather(const Rows& from, int64_t first, int64_t count);

  Side side() const;
};

/// Either side of Wgrad: K runs along the rows, FP8 in 128x1 tiles. Rows are padded with zeros to a
/// multiple of 128.
template <typename T>
struct Pairs {
  Dense<T> dense;
  Format format = Format::kDense;
  Buffer words;  // [panels, padded rows / 2, 64]
  Buffer scale;  // [panels, padded rows / 128, 64]
  int64_t padded = 0;

  void shape(const Dense<T>& source, Format as);
  /// Fills tile `tile` (rows 128 * tile ...) from `source`, at most 128 rows.
  void fill(int64_t tile, const Dense<T>& source, ScaleKind kind);
  void assign(ThreadPool& pool, const Dense<T>& source, Format as, ScaleKind kind);

  /// As one side of a product over K = rows from 128 * tile on.
  Side side(int64_t tile) const;
};

extern template struct Rows<float>;
extern template struct Rows<double>;
extern template struct Pairs<float>;
extern template struct Pairs<double>;

}  // namespace fathom::train
