// Storage for Activations, reused from step to step.
#pragma once

#include "kernels/ops.h"
#include "tensor/buffer.h"

namespace fathom {

/// Holds the rounded or quantized form of the rows last prepared.
class ActivationBuffer {
 public:
  /// Makes room for x in the form that `numerics` asks for; every row is still to be filled. The
  /// view stays valid until the next call, and as long as `x`.
  Activations reserve(Numerics numerics, Mat<const float> x);

  /// reserve() and fill_row() of every row, after another.
  Activations prepare(const Kernels& kernels, Numerics numerics, Mat<const float> x);

 private:
  Buffer bf16_;
  Buffer codes_;
  Buffer scales_;
  Buffer int8_codes_;
  Buffer int8_scales_;
};

/// Rounds or quantizes one row of what ActivationBuffer::reserve() returned, or of a part of it.
/// Rows may be filled by several threads.
void fill_row(const Kernels& kernels, const Activations& view, int64_t row);

/// Columns [first, last) of a row: whole blocks of kScaleBlock, but that `last` may be the row's
/// end.
void fill_columns(const Kernels& kernels, const Activations& view, int64_t row, int64_t first,
                  int64_t last);

}  // namespace fathom
