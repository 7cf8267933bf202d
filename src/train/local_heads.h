// An initialization with which a small run finds its way sooner.
#pragma once

#include <cstdint>

#include "checkpoint/config.h"
#include "train/layout.h"

namespace fathom::train {

struct LocalHeads {
  int64_t heads = 0;         // that start out local
  double std = 0;            // standard deviation of the matrices
  double embedding_std = 0;  // and of the embedding
};

/// Makes `heads` heads of the first layer start out looking one, two, ... tokens back, on top of
/// random `params`. To look up where a word stood
/// before, a later layer must know each position's predecessors; MLA has no biases, so a head that
/// goes by position alone has to emerge from a common part of all embeddings, which takes long.
/// Here the embeddings get such a part, and the shared rotary key and these heads' queries read it.
/// From the first step on everything is trained as usual. Our own, not the report's.
/// Throws Error(kUnsupported) for an architecture without query latents or with fewer heads.
void start_local_heads(const ModelConfig& config, const Layout& layout, const LocalHeads& local,
                       float* params);

}  // namespace fathom::train
