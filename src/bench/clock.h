// Which time speeds are measured in.
#pragma once

#include "base/seconds.h"

namespace fathom::bench {

/// Seconds that pass, or seconds that this process computes: on a machine with other work the
/// latter still tell how fast a single thread is while it runs.
enum class Clock { kWall, kProcessor };

inline double now(Clock clock) {
  return seconds_of(clock == Clock::kWall ? CLOCK_MONOTONIC : CLOCK_PROCESS_CPUTIME_ID);
}

}  // namespace fathom::bench
