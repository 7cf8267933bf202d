// The parts of a layer: multi-head latent attention, the MLP, the mixture of experts.
#pragma once

#include "model/observer.h"
#include "model/pass.h"
#include "weights/absorbed.h"
#include "weights/model_weights.h"

namespace fathom {

/// y = MLA(x) over the pass's rows: each row's latent goes into its page of `layer`'s cache, then
/// each attends to its own prefix. Absorbed form (technical report, section 2.1.1): queries meet
/// the latent itself, so keys and values are never expanded; for prompts too, since the two forms
/// round differently and a token's bits must not tell how it came. x, y: [rows, hidden]
void attention(Pass& pass, const AttentionWeights& w, const AbsorbedWeights& heads, int64_t layer,
               Mat<const float> x, Mat<float> y);

/// Rows of x that go through one MLP, and what each one's result is multiplied by.
struct MlpGroup {
  const MlpWeights* weights;
  std::span<const int32_t> rows;   // empty: all of them
  std::span<const float> factors;  // empty: 1
};

/// y[r] = sum over the groups with row r, in their order, of factor * down(silu(gate(x)) * up(x)).
/// Each group's weights are read once. x, y: [rows, hidden]
void mlps(Pass& pass, std::span<const MlpGroup> groups, const Activations& x, Mat<float> y);

/// y = sum of the shared experts and the chosen ones by weight, in ascending order of experts.
/// x, y: [rows, hidden]
void moe(Pass& pass, const MoeWeights& w, int64_t layer, Mat<const float> x, Mat<float> y,
         ForwardObserver* observer);

}  // namespace fathom
