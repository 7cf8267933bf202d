// Folders that a script of this repository fetches.
#pragma once

#include <array>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace fathom {

/// The folder that scripts/NAME prints, or the environment's word for it.
inline std::string fetched(const char* variable, const std::string& script) {
  if (const char* named = std::getenv(variable)) return named;
  FILE* const pipe = popen((FATHOM_SOURCE_DIR "/scripts/" + script).c_str(), "r");
  std::string line;
  std::array<char, 256> part;
  while (pipe != nullptr && fgets(part.data(), part.size(), pipe) != nullptr) line += part.data();
  if (pipe == nullptr || pclose(pipe) != 0) throw std::runtime_error(script + " failed");
  return line.substr(0, line.find('\n'));
}

}  // namespace fathom
