// fathom bench --sampler: what choosing a token costs beside computing its logits.
#pragma once

#include "cli/model_options.h"

namespace fathom::cli {

/// Takes decode steps of one sequence and samples from each one's logits in several ways, in turns;
/// prints the time of each way and its share of a step.
void run_sampler_bench(const ModelOptions& model, double seconds, bool json);

}  // namespace fathom::cli
