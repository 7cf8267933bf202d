// Operations of training, counted from the architecture.
#pragma once

#include "train/layout.h"

namespace fathom::train {

/// Multiply-adds of the products and the attention per token, forward and backward, times two;
/// every token has a target. `whole`: of the undivided model. Recomputation is not counted.
double flops_per_token(const ModelConfig& config, const Layout& whole, int64_t sequence);

/// How much of a parameter matrix a token multiplies with: of a routed expert's its chance to be
/// chosen, of the head's two passes with MTP, of the embedding's and a norm's nothing.
double uses_per_token(const ModelConfig& config, const Param& param);

}  // namespace fathom::train
