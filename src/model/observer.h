// A look inside a forward pass, for captures and tests.
#pragma once

#include <cstdint>
#include <span>

#include "tensor/mat_view.h"

namespace fathom {

/// Called during a pass, in order, with views that are valid during the call. Layer -1 is the
/// embedding; layers from num_hidden_layers up are MTP layers. The last of the others has the rows
/// whose hidden states or logits are wanted.
class ForwardObserver {
 public:
  virtual ~ForwardObserver() = default;
  /// The residual stream after a layer. [rows, hidden_size]
  virtual void on_hidden(int64_t layer, Mat<const float> hidden) {}
  /// The main model's output after model.norm. [rows, hidden_size]
  virtual void on_final_norm(Mat<const float> hidden) {}
  /// ids and weights [rows, num_experts_per_tok] in descending biased score; scores [rows, experts]
  /// without bias.
  virtual void on_routing(int64_t layer, Mat<const int32_t> ids, Mat<const float> weights,
                          Mat<const float> scores) {}
};

}  // namespace fathom
