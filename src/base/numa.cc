#include "base/numa.h"

#include <numa.h>
#include <numaif.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/processors.h"

namespace fathom {
namespace {

bool has_nodes() { return numa_available() >= 0 && numa_max_node() > 0; }

}  // namespace

std::vector<NumaNode> numa_nodes() {
  const std::vector<int> allowed = allowed_processors();
  std::vector<NumaNode> nodes;
  if (has_nodes()) {
    for (int processor : allowed) {
      const int id = std::max(0, numa_node_of_cpu(processor));
      const auto known = std::ranges::find(nodes, id, &NumaNode::id);
      NumaNode& node = known == nodes.end() ? nodes.emplace_back(NumaNode{id, {}}) : *known;
      node.processors.push_back(processor);
    }
    std::ranges::sort(nodes, {}, &NumaNode::id);
  }
  return nodes.empty() ? std::vector{NumaNode{0, allowed}} : nodes;
}

NumaPlan::NumaPlan(int threads, std::vector<NumaNode> nodes) {
  FATHOM_CHECK(threads >= 1 && !nodes.empty());
  std::vector<std::pair<const NumaNode*, int>> all;  // processors, node after node
  for (const NumaNode& node : nodes) {
    for (int processor : node.processors) all.emplace_back(&node, processor);
  }
  const NumaNode* latest = nullptr;
  for (int64_t t = 0; t < threads; ++t) {
    const auto [node, processor] = all[static_cast<size_t>(t * std::ssize(all) / threads)];
    if (node != latest) {
      nodes_.push_back(*node);
      thread_ends_.push_back(0);
      latest = node;
    }
    node_of_.push_back(static_cast<int>(nodes_.size()) - 1);
    processors_.push_back(processor);
    thread_ends_.back() = static_cast<size_t>(t) + 1;
  }
}

MemoryFrom::MemoryFrom(const NumaNode& node) {
  if (!has_nodes() || get_mempolicy(&mode_, nodes_, kMostNodes, nullptr, 0) != 0) return;
  set_ = true;
  numa_set_preferred(node.id);
}

MemoryFrom::~MemoryFrom() {
  if (set_) set_mempolicy(mode_, nodes_, kMostNodes);
}

}  // namespace fathom
