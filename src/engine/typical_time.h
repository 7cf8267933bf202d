// What a step usually takes, where something else now and then makes one many times as long.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

namespace fathom::engine {

/// The mean of the latest measurements, none of which counts for more than 1.3 times their median.
class TypicalTime {
 public:
  void add(double seconds) {
    latest_[static_cast<size_t>(count_++ % kLatest)] = seconds;
    const auto known = std::min(count_, kLatest);
    std::array<double, kLatest> sorted = latest_;
    std::sort(sorted.begin(), sorted.begin() + known);
    const double most = 1.3 * sorted[static_cast<size_t>((known - 1) / 2)];
    double sum = 0;
    for (int64_t i = 0; i < known; ++i) sum += std::min(sorted[static_cast<size_t>(i)], most);
    seconds_ = sum / static_cast<double>(known);
  }
  /// 0: nothing was measured.
  double seconds() const { return seconds_; }
  int64_t count() const { return count_; }

 private:
  static constexpr int64_t kLatest = 16;
  std::array<double, kLatest> latest_{};
  int64_t count_ = 0;
  double seconds_ = 0;
};

}  // namespace fathom::engine
