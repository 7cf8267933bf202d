// The weights regrouped for Numerics::kInt8, once, before the first pass.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "base/thread_pool.h"
#include "kernels/ops.h"
#include "tensor/huge_region.h"
#include "weights/model_weights.h"

namespace fathom {

/// Bytes regrouped so far, and in all. Called on the thread that regroups.
using RegroupProgress = std::function<void(uint64_t done, uint64_t total)>;

/// Every matrix that products read becomes panels of INT8 (kernels/int8.h), but the routers, whose
/// panels keep their values. What has been read leaves the page cache, matrix by matrix: the
/// weights are in memory once, and one matrix twice.
class Int8Weights {
 public:
  /// Turns the views of `weights`, which must outlive them; they point into this. Throws
  /// Error(kResource) where there is no address space.
  Int8Weights(ModelWeights& weights, const Kernels& kernels, ThreadPool& pool,
              const RegroupProgress& progress);

  uint64_t bytes() const { return region_.size(); }
  std::span<const std::byte> panels() const { return {region_.data(), region_.size()}; }
  double seconds() const { return seconds_; }

 private:
  HugeRegion region_;
  double seconds_ = 0;
};

}  // namespace fathom
