// Memory that is nearer to some processors than to others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace fathom {

struct NumaNode {
  int id;                       ///< the system's
  std::vector<int> processors;  ///< ascending; not empty

  bool operator==(const NumaNode&) const = default;
};

/// The nodes whose processors this thread may use; at least one. All its processors are on one node
/// where the system tells of none.
std::vector<NumaNode> numa_nodes();

/// Which node each of a pool's threads belongs to, and with it the part of any work that lies on
/// that node's memory.
class NumaPlan {
 public:
  /// Spreads `threads` (at least 1) evenly over the processors of `nodes` (at least one).
  NumaPlan(int threads, std::vector<NumaNode> nodes);

  int threads() const { return static_cast<int>(processors_.size()); }
  /// Those that have a thread. Parts are numbered like these.
  const std::vector<NumaNode>& nodes() const { return nodes_; }
  int node_of(int thread) const { return node_of_[static_cast<size_t>(thread)]; }
  /// Of the thread's own node, the one that is its own where there are enough for all.
  int processor_of(int thread) const { return processors_[static_cast<size_t>(thread)]; }

  struct Part {
    int64_t begin, end;
    int64_t size() const { return end - begin; }
  };
  int threads_of(int node) const { return static_cast<int>(part(node, threads()).size()); }

  /// A node's part of `items` in order: as large as its share of the threads.
  Part part(int node, int64_t items) const {
    const auto at = [&](size_t threads_until) {
      return items * static_cast<int64_t>(threads_until) / threads();
    };
    const auto n = static_cast<size_t>(node);
    return {n == 0 ? 0 : at(thread_ends_[n - 1]), at(thread_ends_[n])};
  }
  /// The node in whose part an item lies.
  const NumaNode& node_of_item(int64_t item, int64_t items) const {
    int node = 0;
    while (part(node, items).end <= item) ++node;
    return nodes_[static_cast<size_t>(node)];
  }

 private:
  std::vector<NumaNode> nodes_;
  std::vector<int> node_of_, processors_;  // of each thread
  std::vector<size_t> thread_ends_;        // of each node: how many threads up to its last
};

/// While it lives, memory that this thread touches first comes from that node, as long as it has
/// some. Does nothing where there is one node.
class MemoryFrom {
 public:
  explicit MemoryFrom(const NumaNode& node);
  ~MemoryFrom();
  MemoryFrom(const MemoryFrom&) = delete;
  MemoryFrom& operator=(const MemoryFrom&) = delete;

 private:
  static constexpr int kMostNodes = 1024;

  bool set_ = false;
  int mode_ = 0;  // to go back to
  unsigned long nodes_[kMostNodes / (8 * sizeof(unsigned long))] = {};
};

}  // namespace fathom
