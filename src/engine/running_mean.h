// A mean that forgets.
#pragma once

namespace fathom::engine {

/// Moves `average` towards `value` by the share `newest`; the first value is taken whole.
inline void average_in(double& average, double value, double newest) {
  average = average == 0 ? value : average + newest * (value - average);
}

}  // namespace fathom::engine
