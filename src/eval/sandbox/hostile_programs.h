// Programs for the sandbox's test.
#pragma once

#include <string>
#include <vector>

namespace fathom::eval {

/// Stands in the arguments of processes that try to outlive their box.
inline constexpr const char* kSurvivorMark = "98765.4321";

struct HostileProgram {
  const char* name;
  std::string source;            ///< Python, or shell
  bool must_be_stopped = false;  ///< by a limit or an error; else it ends well, having got nowhere
  bool is_shell = false;
};

/// @PORT@, @FILE@, @ABSTRACT@ and @PID@ stand for what the host has.
const std::vector<HostileProgram>& hostile_programs();

}  // namespace fathom::eval
