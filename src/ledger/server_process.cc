#include "ledger/server_process.h"

#include <unistd.h>

#include <fstream>
#include <sstream>

namespace fathom::ledger {
namespace {

std::string read_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::string this_host() {
  char link[128];
  const ssize_t size = readlink("/proc/self/ns/pid", link, sizeof link);
  // Without a namespace's name two containers could look alike; then nobody is called dead early.
  if (size <= 0) return "";
  return read_line("/proc/sys/kernel/random/boot_id") + " " + std::string(link, size);
}

/// The kernel's start time of a process, field 22 of its stat; empty when it is gone or a zombie.
std::string start_time(const std::string& pid) {
  const std::string stat = read_line("/proc/" + pid + "/stat");
  // The name in parentheses may hold spaces; fields count from its end.
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return "";
  std::istringstream fields(stat.substr(name_end + 2));
  std::string field;
  for (int i = 3; i <= 22; ++i) {
    fields >> field;
    if (i == 3 && (field == "Z" || field == "X")) return "";
  }
  return field;
}

}  // namespace

ServerProcess this_process() {
  const std::string pid = std::to_string(getpid());
  return {this_host(), pid + " " + start_time(pid)};
}

std::optional<bool> process_lives(const ServerProcess& server) {
  const ServerProcess self = this_process();
  const size_t space = server.process.find(' ');
  const bool known = !self.host.empty() && server.host == self.host &&
                     server.process != self.process && space != std::string::npos;
  if (!known) return std::nullopt;
  return start_time(server.process.substr(0, space)) == server.process.substr(space + 1);
}

}  // namespace fathom::ledger
