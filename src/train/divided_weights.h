// From the whole model's weights to one rank's, where the routed experts are divided, and back.
#pragma once

#include "train/optimizer.h"
#include "train/ranks.h"

namespace fathom::train {

/// What `own` holds of the model `whole`.
Weights part_of(const Weights& all, const Layout& own);

/// The whole model's weights from every rank's, on rank 0; on the others `to` is left alone.
/// Collective. `own` is this rank's layout, `to` of the whole model's.
void gather_weights(Ranks& ranks, const ModelConfig& config, const Layout& own,
                    const Weights& weights, Weights& to);

}  // namespace fathom::train
