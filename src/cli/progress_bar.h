// One line on the terminal that says how far long work is and when it will be done.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

namespace fathom::cli {

/// Draws on stderr, and only where that is a terminal. Thread-safe.
class ProgressBar {
 public:
  explicit ProgressBar(std::string what);
  /// Takes the line away again.
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  /// Bytes. Redraws at most ten times a second; a `done` that comes late is no step back.
  void update(uint64_t done, uint64_t total);

 private:
  using Clock = std::chrono::steady_clock;

  void draw(double seconds);

  std::string what_;
  bool enabled_;
  std::mutex mutex_;
  Clock::time_point start_ = Clock::now();
  Clock::time_point drawn_{};
  uint64_t first_ = 0;  // done at the first update: a resumed run starts above 0
  uint64_t done_ = 0;
  uint64_t total_ = 0;
  bool started_ = false;
};

/// "1:02:03" or "2:03".
std::string clock_text(double seconds);

}  // namespace fathom::cli
