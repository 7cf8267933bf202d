// Moves the weights out of the mapped files into panels in huge pages, while they are in use.
//
// A model can run at once from the mapping, but not at the memory's speed: its rows lie apart and
// in 4 KB pages. A thread of low priority copies one matrix after another into the layout that
// streams (kernels/panel.h). The bits of every product stay as they are: it is the same values in
// the same order of summation.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <limits>
#include <mutex>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "base/numa.h"
#include "kernels/ops.h"
#include "tensor/huge_region.h"
#include "weights/model_weights.h"
#include "weights/product_matrices.h"

namespace fathom {

struct WeightMoveStatus {
  uint64_t total_bytes = 0;
  uint64_t moved_bytes = 0;  ///< of matrices that products read from their new place
  double seconds = 0;        ///< since the beginning; of the whole once finished
  bool finished = false;
  std::span<const std::byte> panels;  ///< once finished: where all of them lie

  /// Moved, of all: 1 where there is nothing to move.
  double share() const {
    if (total_bytes == 0) return 1;
    return static_cast<double>(moved_bytes) / static_cast<double>(total_bytes);
  }
};

class WeightMover {
 public:
  /// Begins to move every product's matrix (weights/product_matrices.h). `weights` must outlive
  /// this and stay in place. Memory in use grows by at most kPending bytes over what the mapping
  /// took: a matrix that has been moved leaves the page cache. Throws Error(kResource) where there
  /// is no address space. Each NUMA node of `plan` gets its part of every matrix's panels, so that
  /// whatever experts are chosen, all nodes read as much. A head of at least so many weights gets
  /// an outline (weights/head_outline.h), half as much memory again.
  WeightMover(ModelWeights& weights, const Kernels& kernels, NumaPlan plan,
              int64_t outlined_weights = kOutlinedWeights);
  /// Stops where it is. Views into the panels must not be used any more.
  ~WeightMover();
  WeightMover(const WeightMover&) = delete;
  WeightMover& operator=(const WeightMover&) = delete;

  /// While one lives, the views stay as they are. Those that were ready turn to their new place as
  /// it begins.
  class Pass {
   public:
    explicit Pass(WeightMover& mover);

   private:
    std::unique_lock<std::mutex> lock_;
  };

  /// From any thread.
  WeightMoveStatus status() const;
  /// Returns when all are moved. From any thread that holds no Pass.
  void wait() const;

  static constexpr uint64_t kPending = uint64_t{256} << 20;
  /// Smaller heads stay in the caches, where to read them costs little.
  static constexpr int64_t kOutlinedWeights = int64_t{8} << 20;
  static constexpr int64_t kNoOutlines = std::numeric_limits<int64_t>::max();
  /// Bytes that the outlines of these weights' heads take.
  static uint64_t outlines_bytes(ModelWeights& weights);

 private:
  struct Ready {
    const ProductMatrix* matrix;
    WeightView packed;
    HeadOutline outline;
  };

  void work();
  std::byte* take(size_t bytes);
  template <typename Panel>
  void for_panels(int64_t rows, Panel&& panel);
  WeightView pack(const ProductMatrix& matrix);
  HeadOutline outline(const ProductMatrix& matrix);
  void adopt();
  void settle(uint64_t most_pending);

  const Checkpoint& checkpoint_;
  const Kernels& kernels_;
  const NumaPlan plan_;
  const int64_t outlined_weights_;
  std::vector<ProductMatrix> matrices_;
  uint64_t total_bytes_ = 0;
  HugeRegion region_;
  size_t used_ = 0;

  std::mutex in_use_;         // held during a pass, and while views change
  mutable std::mutex mutex_;  // of what follows
  mutable std::condition_variable done_;
  std::vector<Ready> ready_;
  std::vector<const ProductMatrix*> adopted_;  // their old place may go
  uint64_t pending_bytes_ = 0;                 // moved, and still in their old place too
  WeightMoveStatus status_;
  double started_;

  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace fathom
