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
  int64_t size() const { return rows * cols; }
};

struct Layout {
  explicit Layout(const ModelConfig& config);

  std::vector<Param> params;
  int64_t size = 0;  // elements in all
  /// Layer indices that have a router (MTP layers included), in order: the rows of the bias array.
  std::vector<int64_t> moe_layers;

  /// Offset of a parameter. The name must exist.
  int64_t offset(const std::string& name) const;
};

/// "model.layers.3." and the like.
std::string layer_prefix(int64_t layer);

}  // namespace fathom::train
