// The parameters of a Hugging Face directory, to train on from it.
#pragma once

#include <string>

#include "train/layout.h"
#include "train/optimizer.h"

namespace fathom::train {

/// Reads every parameter and routing bias from the checkpoint `dir`, FP8 or BF16, as export_model
/// writes it and the published models are. The average starts equal. Throws Error: what
/// Checkpoint::open does, and kBadInput for another architecture or a damaged tensor.
void import_model(const std::string& dir, const ModelConfig& config, const Layout& layout,
                  Weights& weights);

}  // namespace fathom::train
