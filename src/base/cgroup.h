// What a container or a service manager lets this process have.
//
// `self_cgroup` is the text of /proc/self/cgroup, `mount` where the hierarchies of version 1 or 2
// are. A group's ancestors limit it too: the least on the way up counts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace fathom {

/// The quota in processors, rounded up; none where there is no limit.
std::optional<int> cgroup_processors(const std::string& self_cgroup, const std::string& mount);

/// Bytes that may still be taken up to the limit, file pages that the kernel can drop counted as
/// free; none where there is no limit.
std::optional<uint64_t> cgroup_memory(const std::string& self_cgroup, const std::string& mount);

/// The same of this process.
std::optional<int> cgroup_processors();
std::optional<uint64_t> cgroup_memory();

}  // namespace fathom
