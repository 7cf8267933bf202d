// How far computed values are from those expected; for tests.
#pragma once

#include <cmath>
#include <span>

namespace fathom {

/// |got - want| / |want|, both of one length.
inline double relative_l2(std::span<const float> got, std::span<const float> want) {
  double difference = 0, norm = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    difference += std::pow(static_cast<double>(got[i]) - want[i], 2);
    norm += std::pow(static_cast<double>(want[i]), 2);
  }
  return std::sqrt(difference / norm);
}

}  // namespace fathom
