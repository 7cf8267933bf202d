// Bytes and FLOPs of a forward pass, counted from the config.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "bench/ceilings.h"
#include "checkpoint/config.h"
#include "kernels/numerics.h"
#include "model/op_profile.h"

namespace fathom::bench {

struct OpCost {
  double bytes = 0;  ///< of weights and of the latent cache, each read once
  double flops = 0;  ///< a multiply and an add are 2
  double int8 = 0;   ///< the same, of products in INT8

  /// Seconds at these rates: the larger of bytes and arithmetic.
  double roof(const CeilingRates& rates) const;
};

struct StepCost {
  std::array<OpCost, kOps> ops{};

  OpCost total() const;
  /// Over the operations.
  double roof(const CeilingRates& rates) const;
};

/// One sequence's rows of a step: positions start .. start + rows - 1.
struct SequenceRows {
  int64_t start = 0;
  int64_t rows = 1;
  int64_t logit_rows = 1;
  bool all_hidden = true;  // else the last layer's MLP takes the rows with logits alone
};

/// Weights count at their published sizes (FP8 with scales, head and router in BF16), or as the
/// panels of INT8 that the numerics make of them. Attention is counted in the absorbed form, the
/// one that is computed. `experts_read`: distinct routed experts, summed over the MoE layers.
/// Activations, norms and the embedding's rows count for nothing. The MTP layers are not part of
/// it. `outlined`: logits come from the head's outline, in INT8; the few that are then computed
/// exactly count for nothing.
StepCost step_cost(const ModelConfig& config, std::span<const SequenceRows> rows,
                   int64_t experts_read, Numerics numerics, bool outlined = false);

}  // namespace fathom::bench
