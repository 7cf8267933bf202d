// All trained parameters in one flat array: the order and the names of the exported checkpoint.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/config.h"

namespace fathom::train {

/// What a parameter is: how it is initialized, decayed and exported.
enum class ParamKind {
  kLinear,  // FP8 in an FP8 checkpoint; decayed
  kPlain,   // a matrix that stays BF16: embedding, head, router, eh_proj; decayed
  kNorm,    // a vector of ones at the start; not decayed
};

struct Param {
  std::string name;
  int64_t rows = 0;  // a norm has one row
  int64_t cols = 0;
  int64_t offset = 0;
  ParamKind kind = ParamKind::kLinear;
  int64_t place = 0;    // offset in the whole model's array
  bool routed = false;  // of a routed expert
  int64_t size() const { return rows * cols; }
};

/// One rank's part of the routed experts, where they are divided: `of` ranks have equal numbers of
/// consecutive experts.
struct ExpertShare {
  int rank = 0;
  int of = 1;
};

/// The parameters that one rank holds: all but the routed experts of others.
struct Layout {
  /// The number of experts must be a multiple of share.of.
  explicit Layout(const ModelConfig& config, ExpertShare share = {});

  std::vector<Param> params;
  int64_t size = 0;          // elements in all
  int64_t first_expert = 0;  // of each layer's, that are here
  int64_t experts = 0;
  /// Layer indices that have a router (MTP layers included), in order: the rows of the bias array.
  std::vector<int64_t> moe_layers;

  /// Offset of a parameter. The name must exist.
  int64_t offset(const std::string& name) const;
};

/// "model.layers.3." and the like.
std::string layer_prefix(int64_t layer);

}  // namespace fathom::train
