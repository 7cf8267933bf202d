// A process and all that descend from it, as /proc shows them.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <vector>

namespace fathom::eval {

class ProcessTree {
 public:
  /// Looks now. A process that ends meanwhile is left out.
  explicit ProcessTree(pid_t root);

  /// The root, then its descendants, parents before children.
  const std::vector<pid_t>& processes() const { return processes_; }
  /// Of all together; a page that several share counts for each.
  uint64_t resident_bytes() const;
  /// Of all together, and of those of their children that ended.
  std::chrono::milliseconds cpu_time() const;

 private:
  std::vector<pid_t> processes_;
};

}  // namespace fathom::eval
