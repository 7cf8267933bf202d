#include "base/cgroup.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <sstream>

namespace fathom {
namespace {

constexpr const char* kMount = "/sys/fs/cgroup";

std::string self_cgroup() {
  std::ifstream file("/proc/self/cgroup");
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// A file's first number; none where it says "max" or does not exist.
std::optional<uint64_t> read_number(const std::string& path) {
  uint64_t value = 0;
  if (std::ifstream(path) >> value) return value;
  return std::nullopt;
}

// Version 2 has cpu.max ("max 100000" or "200000 100000"), version 1 two files.
std::optional<int> directory_processors(const std::string& dir) {
  double quota = -1, period = 0;
  if (std::ifstream file(dir + "/cpu.max"); file) {
    std::string word;
    file >> word >> period;
    if (word != "max") std::istringstream(word) >> quota;
  } else {
    std::ifstream(dir + "/cpu.cfs_quota_us") >> quota;
    std::ifstream(dir + "/cpu.cfs_period_us") >> period;
  }
  if (quota > 0 && period > 0) return static_cast<int>(std::ceil(quota / period));
  return std::nullopt;
}

// Bytes of file pages: version 1 counts those of the groups below apart, as version 2 always does.
uint64_t file_pages(const std::string& dir, bool version2) {
  std::ifstream stat(dir + "/memory.stat");
  const std::string of_below = version2 ? "" : "total_";
  uint64_t bytes = 0, value = 0;
  for (std::string key; stat >> key >> value;) {
    if (key == of_below + "inactive_file" || key == of_below + "active_file") bytes += value;
  }
  return bytes;
}

std::optional<uint64_t> directory_memory(const std::string& dir) {
  std::optional<uint64_t> limit = read_number(dir + "/memory.max");
  const bool version2 = limit.has_value();
  if (!version2) limit = read_number(dir + "/memory.limit_in_bytes");
  if (!limit) return std::nullopt;
  const auto used = read_number(dir + (version2 ? "/memory.current" : "/memory.usage_in_bytes"));
  const uint64_t kept = used.value_or(0) - std::min(used.value_or(0), file_pages(dir, version2));
  return *limit - std::min(*limit, kept);
}

// The least of `of(directory)` over the process's group and its ancestors, in the hierarchy of
// `controller` (version 1) and in the one of all (version 2).
template <typename T>
std::optional<T> least(const std::string& self_cgroup, const std::string& mount,
                       const std::string& controller, std::optional<T> (*of)(const std::string&)) {
  std::optional<T> least;
  std::istringstream lines(self_cgroup);
  for (std::string line; std::getline(lines, line);) {
    // "hierarchy:controllers:path"; version 2 is "0::path".
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const bool version2 = controllers == ",,";
    if (!version2 && controllers.find("," + controller + ",") == std::string::npos) continue;
    const std::string root = version2 ? mount : mount + "/" + controller;
    std::string path = line.substr(second + 1);
    for (bool last = false; !last;) {
      if (const auto here = of(root + path)) least = std::min(*here, least.value_or(*here));
      last = path.empty() || path == "/";
      if (!last) path.erase(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
    }
  }
  return least;
}

}  // namespace

std::optional<int> cgroup_processors(const std::string& self_cgroup, const std::string& mount) {
  return least(self_cgroup, mount, "cpu", directory_processors);
}

std::optional<uint64_t> cgroup_memory(const std::string& self_cgroup, const std::string& mount) {
  return least(self_cgroup, mount, "memory", directory_memory);
}

std::optional<int> cgroup_processors() { return cgroup_processors(self_cgroup(), kMount); }
std::optional<uint64_t> cgroup_memory() { return cgroup_memory(self_cgroup(), kMount); }

}  // namespace fathom
