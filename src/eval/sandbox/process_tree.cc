#include "eval/sandbox/process_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <sstream>
#include <string>

namespace fathom::eval {
namespace {

// A file of /proc, empty where the process is gone.
std::string proc_text(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return "";
  char buffer[8192];
  std::string text;
  for (ssize_t got; (got = ::read(fd, buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<size_t>(got));
  }
  ::close(fd);
  return text;
}

std::vector<std::string> entries(const std::string& folder) {
  std::vector<std::string> names;
  DIR* const opened = ::opendir(folder.c_str());
  if (opened == nullptr) return names;
  while (const dirent* entry = ::readdir(opened)) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  ::closedir(opened);
  return names;
}

}  // namespace

ProcessTree::ProcessTree(pid_t root) : processes_{root} {
  for (size_t i = 0; i < processes_.size(); ++i) {
    // The kernel lists a child under the thread that made it.
    const std::string threads = fmt::format("/proc/{}/task", processes_[i]);
    for (const std::string& thread : entries(threads)) {
      const std::string children = proc_text(fmt::format("{}/{}/children", threads, thread));
      const char* at = children.c_str();
      for (char* end = nullptr;; at = end) {
        const long child = std::strtol(at, &end, 10);
        if (end == at) break;
        processes_.push_back(static_cast<pid_t>(child));
      }
    }
  }
}

uint64_t ProcessTree::resident_bytes() const {
  const uint64_t page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  uint64_t pages = 0;
  for (const pid_t process : processes_) {
    const std::string statm = proc_text(fmt::format("/proc/{}/statm", process));
    const size_t second = statm.find(' ');
    if (second != std::string::npos) pages += std::strtoull(statm.c_str() + second, nullptr, 10);
  }
  return pages * page;
}

std::chrono::milliseconds ProcessTree::cpu_time() const {
  int64_t ticks = 0;
  for (const pid_t process : processes_) {
    const std::string stat = proc_text(fmt::format("/proc/{}/stat", process));
    // The name in parentheses may hold spaces; fields count from its end.
    const size_t name_end = stat.rfind(')');
    if (name_end == std::string::npos) continue;
    std::istringstream fields(stat.substr(name_end + 1));
    std::string field;
    for (int i = 3; i <= 13; ++i) fields >> field;
    for (int i = 14; i <= 17; ++i) {  // user and system time, its own and its ended children's
      int64_t part = 0;
      fields >> part;
      ticks += part;
    }
  }
  return std::chrono::milliseconds(ticks * 1000 / ::sysconf(_SC_CLK_TCK));
}

}  // namespace fathom::eval
