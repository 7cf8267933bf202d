// The matrices that products read from the checkpoint.
#pragma once

#include <vector>

#include "weights/model_weights.h"

namespace fathom {

/// All views of one matrix: the head may also be the MTP layer's.
struct ProductMatrix {
  std::vector<WeightView*> views;
  WeightView from;                          // as it is in the checkpoint
  bool router = false;                      // which takes unrounded activations under any numerics
  std::vector<HeadOutline*> outlines = {};  // of a head, beside the views
};

/// Every matrix but the embedding, whose rows are looked up, and kv_b, of which attention has a
/// copy of its own (weights/absorbed.h). In the order in which they matter: what every token reads,
/// then the experts. The views are those of `weights`, which must stay in place.
std::vector<ProductMatrix> product_matrices(ModelWeights& weights);

/// Asks the system for a mapped matrix's pages, all at once. A hint.
void fetch_ahead(const WeightView& w);

}  // namespace fathom
