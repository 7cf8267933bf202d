#include "base/processors.h"

#include <cpuid.h>
#include <sched.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>

namespace fathom {
namespace {

// Processors of one cgroup directory, or 0. Version 2 has cpu.max ("max 100000" or "200000
// 100000"), version 1 two files.
int directory_quota(const std::string& dir) {
  double quota = -1, period = 0;
  if (std::ifstream file(dir + "/cpu.max"); file) {
    std::string word;
    file >> word >> period;
    if (word != "max") std::istringstream(word) >> quota;
  } else {
    std::ifstream(dir + "/cpu.cfs_quota_us") >> quota;
    std::ifstream(dir + "/cpu.cfs_period_us") >> period;
  }
  return quota > 0 && period > 0 ? static_cast<int>(std::ceil(quota / period)) : 0;
}

// The least quota from `path` up to the root of the hierarchy at `root`.
int least_quota(const std::string& root, std::string path) {
  int least = 0;
  for (;;) {
    const int here = directory_quota(root + path);
    if (here > 0) least = least > 0 ? std::min(least, here) : here;
    if (path.empty() || path == "/") return least;
    path.erase(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
  }
}

std::string brand_string() {
  unsigned words[12];
  if (__get_cpuid_max(0x80000000u, nullptr) < 0x80000004u) return "unknown";
  for (unsigned i = 0; i < 3; ++i) {
    __get_cpuid(0x80000002u + i, &words[i * 4], &words[i * 4 + 1], &words[i * 4 + 2],
                &words[i * 4 + 3]);
  }
  char text[sizeof words + 1] = {};
  std::memcpy(text, words, sizeof words);
  std::string name(text);
  name.erase(name.find_last_not_of(' ') + 1);
  return name;
}

CpuFeatures detect_features() {
  CpuFeatures features;
  features.avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  features.avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                    __builtin_cpu_supports("avx512vbmi");
  features.avx512_bf16 = features.avx512 && __builtin_cpu_supports("avx512bf16");
  features.avx512_vnni = features.avx512 && __builtin_cpu_supports("avx512vnni");
  features.name = brand_string();
  return features;
}

}  // namespace

std::vector<int> allowed_processors() {
  std::vector<int> processors;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    for (int i = 0; i < CPU_SETSIZE; ++i) {
      if (CPU_ISSET(i, &set)) processors.push_back(i);
    }
  }
  if (processors.empty()) processors.push_back(0);
  return processors;
}

int cgroup_processor_quota(const std::string& self_cgroup, const std::string& mount) {
  // Lines "hierarchy:controllers:path"; version 2 is "0::path".
  int least = 0;
  std::istringstream lines(self_cgroup);
  for (std::string line; std::getline(lines, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string path = line.substr(second + 1);
    int here = 0;
    if (controllers == ",,") {
      here = least_quota(mount, path);
    } else if (controllers.find(",cpu,") != std::string::npos) {
      here = least_quota(mount + "/cpu", path);
    }
    if (here > 0) least = least > 0 ? std::min(least, here) : here;
  }
  return least;
}

int available_processors() {
  const int allowed = static_cast<int>(allowed_processors().size());
  std::ifstream file("/proc/self/cgroup");
  const std::string self((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const int quota = cgroup_processor_quota(self, "/sys/fs/cgroup");
  return quota > 0 ? std::min(allowed, quota) : allowed;
}

const CpuFeatures& cpu_features() {
  static const CpuFeatures features = detect_features();
  return features;
}

}  // namespace fathom
