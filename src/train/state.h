// A run's state on disk, from which it goes on bit for bit (docs/formats/training_state.md).
#pragma once

#include <cstdint>
#include <string>

#include "train/layout.h"
#include "train/loader.h"
#include "train/optimizer.h"

namespace fathom::train {

struct Progress {
  int64_t step = 0;    // steps done
  int64_t tokens = 0;  // trained on
  LoaderState loader;
};

/// Replaces `path` in one step.
void save_state(const std::string& path, const Layout& layout, const Weights& weights,
                const Progress& progress);

/// Throws Error: kNotFound, or kBadInput for another model's state or a damaged one.
Progress load_state(const std::string& path, const Layout& layout, Weights& weights);

/// Parameters and routing biases alone (the average where the state holds one): the start of
/// another stage. The layouts must agree.
void load_parameters(const std::string& path, const Layout& layout, Weights& weights);

}  // namespace fathom::train
