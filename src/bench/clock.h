// Which time speeds are measured in.
#pragma once

#include <time.h>

namespace fathom::bench {

/// Seconds that pass, or seconds that this process computes: on a machine with other work the
/// latter still tell how fast a single thread is while it runs.
enum class Clock { kWall, kProcessor };

inline double seconds_of(clockid_t id) {
  timespec time;
  clock_gettime(id, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

inline double now(Clock clock) {
  return seconds_of(clock == Clock::kWall ? CLOCK_MONOTONIC : CLOCK_PROCESS_CPUTIME_ID);
}

}  // namespace fathom::bench
