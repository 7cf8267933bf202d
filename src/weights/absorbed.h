// kv_b_proj cut into heads, in the form in which attention over the latent takes it.
#pragma once

#include <vector>

#include "kernels/ops.h"
#include "tensor/buffer.h"
#include "tensor/mat_view.h"

namespace fathom {

struct AbsorbedShape {
  int64_t heads;
  int64_t nope;   // qk_nope_head_dim
  int64_t value;  // v_head_dim
  int64_t rank;   // kv_lora_rank
};

/// One attention's key and value up-projections (technical report, section 2.1.1), head by head, in
/// panels: the keys' transposed, so that it maps a query to the latent. Values and scales are the
/// checkpoint's own; only FP8 whose heads straddle scale blocks is dequantized, to F32.
class AbsorbedWeights {
 public:
  AbsorbedWeights() = default;
  /// kv_b: [heads * (nope + value), rank], row-major.
  AbsorbedWeights(const Kernels& kernels, const WeightView& kv_b, const AbsorbedShape& shape);

  const WeightView& key(int64_t head) const {
    return keys_[static_cast<size_t>(head)];
  }                                              // [rank, nope]
  const WeightView& value(int64_t head) const {  // [value, rank]
    return values_[static_cast<size_t>(head)];
  }

 private:
  std::vector<WeightView> keys_, values_;
  Buffer data_;
  std::vector<float> scales_;
};

}  // namespace fathom
