// The parts of a layer: multi-head latent attention, the MLP, the mixture of experts.
#pragma once

#include "model/observer.h"
#include "model/pass.h"
#include "weights/model_weights.h"

namespace fathom {

/// y = MLA(x) over the pass's rows: each row's latent goes into its page of `layer`'s cache, then
/// each attends to its own prefix. Absorbed form (technical report, section 2.1.1): queries meet
/// the latent itself, so keys and values are never expanded. x, y: [rows, hidden]
void attention(Pass& pass, const AttentionWeights& w, int64_t layer, Mat<const float> x,
               Mat<float> y);

/// y = down(silu(gate(x)) * up(x)). x, y: [any rows, hidden]
void mlp(Pass& pass, const MlpWeights& w, Mat<const float> x, Mat<float> y);

/// y = sum of the chosen experts by weight, plus the shared ones. x, y: [rows, hidden]
void moe(Pass& pass, const MoeWeights& w, int64_t layer, Mat<const float> x, Mat<float> y,
         ForwardObserver* observer);

}  // namespace fathom
