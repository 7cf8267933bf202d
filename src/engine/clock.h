// Time as the engine sees it; tests put a clock of their own in its place.
#pragma once

#include <chrono>

namespace fathom::engine {

using Time = std::chrono::steady_clock::time_point;

/// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Time now() const { return std::chrono::steady_clock::now(); }
};

inline double seconds_between(Time from, Time to) {
  return std::chrono::duration<double>(to - from).count();
}

}  // namespace fathom::engine
