// The gradients of one step: those of each shard apart, then their sum in the order of the shards.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/buffer.h"
#include "train/layout.h"
#include "train/ranks.h"

namespace fathom::train {

/// Ranks take whole shards, in order. With divided experts each rank takes one, and keeps the
/// gradients of its experts apart by the rank whose tokens they come from.
class StepGradients {
 public:
  /// `layout` and `ranks` outlive it. There are at least as many shards as ranks; with divided
  /// experts as many.
  StepGradients(const Layout& layout, Ranks& ranks, int64_t shards, bool experts_divided);

  /// This rank's shards of the step.
  int64_t first_shard() const { return first_of(ranks_.rank()); }
  int64_t shards() const { return shards_of(ranks_.rank()); }

  /// Where Net::train adds up this rank's i-th shard, cleared. To be called for each in order.
  std::vector<float*> begin(int64_t i);
  /// The sum over all shards [layout.size], the same on every rank. Collective.
  float* sum();

 private:
  int64_t first_of(int rank) const { return total_shards_ * rank / ranks_.size(); }
  int64_t shards_of(int rank) const { return first_of(rank + 1) - first_of(rank); }
  float* part(size_t i) const { return parts_[i].as<float>(); }
  void fold(size_t from);
  void sum_divided();

  const Layout& layout_;
  Ranks& ranks_;
  int64_t total_shards_;
  bool divided_;
  // Rank 0: the sum so far, and the shard under way. Other ranks: one a shard. With divided
  // experts: one for each rank, of which only the experts' ranges and the own one are touched.
  std::vector<Buffer> parts_;
};

}  // namespace fathom::train
