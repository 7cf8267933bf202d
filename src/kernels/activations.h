// Storage for Activations, reused from step to step.
#pragma once

#include "kernels/ops.h"
#include "tensor/buffer.h"

namespace fathom {

/// Holds the rounded or quantized form of the rows last prepared.
class ActivationBuffer {
 public:
  /// Rounds rows as `numerics` asks. The view stays valid until the next call, and as long as `x`.
  Activations prepare(const Kernels& kernels, Numerics numerics, Mat<const float> x);

 private:
  Buffer bf16_;
  Buffer codes_;
  Buffer scales_;
};

}  // namespace fathom
