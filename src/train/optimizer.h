// AdamW over the flat parameters, with BF16 moments and an average of the parameters.
#pragma once

#include <cstdint>
#include <vector>

#include "base/thread_pool.h"
#include "tensor/buffer.h"
#include "train/layout.h"
#include "train/settings.h"

namespace fathom::train {

/// What a run carries from step to step, apart from the loader.
struct Weights {
  Buffer params;            // F32 [layout.size]
  Buffer m, v;              // BF16 [layout.size]
  Buffer ema;               // F32 [layout.size], empty without an average
  std::vector<float> bias;  // [moe layers, experts]

  Weights(const Layout& layout, int64_t experts, bool with_ema);
  /// Normal of standard deviation `std` for matrices, `embedding_std` for the embedding, ones for
  /// norms; the average starts equal.
  void initialize(const Layout& layout, double std, double embedding_std, uint64_t seed);
};

/// Each parameter's sum of squared gradients, in double over fixed slices in order.
std::vector<double> gradient_squares(ThreadPool& pool, const Layout& layout, const float* grads);

/// One step with the gradient times grad_scale. `step` counts from 0. Norms are not decayed.
void adamw(ThreadPool& pool, const Layout& layout, const OptimizerSettings& settings, double lr,
           int64_t step, double grad_scale, const float* grads, Weights& weights);

/// bias -= gamma where an expert took more than the mean load, += where less.
void update_bias(const std::vector<int64_t>& load, int64_t experts, double gamma,
                 std::vector<float>& bias);

/// max load / mean load - 1, per layer.
std::vector<double> max_violation(const std::vector<int64_t>& load, int64_t experts);

}  // namespace fathom::train
