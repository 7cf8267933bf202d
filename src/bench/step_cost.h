// Bytes and FLOPs of a forward pass, counted from the config.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "checkpoint/config.h"
#include "model/op_profile.h"

namespace fathom::bench {

struct OpCost {
  double bytes = 0;  ///< of weights and of the latent cache, each read once
  double flops = 0;  ///< a multiply and an add are 2
};

struct StepCost {
  std::array<OpCost, kOps> ops{};

  OpCost total() const;
  /// Seconds at these rates: over the operations, the larger of bytes and FLOPs.
  double roof(double bytes_per_second, double flops_per_second) const;
};

/// One sequence's rows of a step: positions start .. start + rows - 1.
struct SequenceRows {
  int64_t start = 0;
  int64_t rows = 1;
  int64_t logit_rows = 1;
};

/// Weights count at their published sizes (FP8 with scales, head and router in BF16), cache entries
/// at `cache_element` bytes. Attention is counted in the absorbed form, the one that is computed.
/// `experts_read`: distinct routed experts, summed over the MoE layers. Activations, norms and the
/// embedding's rows count for nothing. The MTP layers are not part of it.
StepCost step_cost(const ModelConfig& config, std::span<const SequenceRows> rows,
                   int64_t experts_read, int64_t cache_element);

}  // namespace fathom::bench
