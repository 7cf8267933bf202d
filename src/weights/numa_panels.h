// Which panels of a matrix lie on which NUMA node.
#pragma once

#include <algorithm>

#include "base/numa.h"
#include "kernels/panel.h"

namespace fathom {

/// Panels to a block of scales: no block is divided.
inline constexpr int64_t kBlockPanels = kScaleBlock / kPanelRows;

/// Of a matrix of so many rows, the panels of a node.
inline NumaPlan::Part node_panels(const NumaPlan& plan, int node, int64_t rows) {
  const NumaPlan::Part blocks = plan.part(node, ceil_div(rows, kScaleBlock));
  return {blocks.begin * kBlockPanels,
          std::min(blocks.end * kBlockPanels, ceil_div(rows, kPanelRows))};
}

/// The node of a panel.
inline const NumaNode& node_of_panel(const NumaPlan& plan, int64_t panel, int64_t rows) {
  return plan.node_of_item(panel / kBlockPanels, ceil_div(rows, kScaleBlock));
}

}  // namespace fathom
