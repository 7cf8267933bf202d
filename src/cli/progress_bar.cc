#include "cli/progress_bar.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "checkpoint/checkpoint_dir.h"

namespace fathom::cli {
namespace {

constexpr int kWidth = 30;

}  // namespace

ProgressBar::ProgressBar(std::string what) : what_(std::move(what)), enabled_(isatty(2) == 1) {}

ProgressBar::~ProgressBar() {
  if (enabled_ && started_) std::fputs("\r\x1b[K", stderr);
}

void ProgressBar::update(uint64_t done, uint64_t total) {
  if (!enabled_) return;
  const std::lock_guard lock(mutex_);
  if (!started_) {
    start_ = Clock::now();
    first_ = done;
    started_ = true;
  }
  done_ = std::max(done_, done);
  total_ = total;
  const Clock::time_point now = Clock::now();
  if (now - drawn_ < std::chrono::milliseconds(100)) return;
  drawn_ = now;
  draw(std::chrono::duration<double>(now - start_).count());
}

void ProgressBar::draw(double seconds) {
  const double part = total_ == 0 ? 1 : static_cast<double>(done_) / static_cast<double>(total_);
  const int filled = static_cast<int>(part * kWidth);
  const double rate = seconds > 0.5 ? static_cast<double>(done_ - first_) / seconds : 0;
  std::string tail;
  if (rate > 0) {
    tail = fmt::format("  {}/s  {} left", human_bytes(static_cast<uint64_t>(rate)),
                       clock_text(static_cast<double>(total_ - done_) / rate));
  }
  std::fputs(fmt::format("\r{} [{:#<{}}{:-<{}}] {:3.0f}% of {}{}\x1b[K", what_, "", filled, "",
                         kWidth - filled, part * 100, human_bytes(total_), tail)
                 .c_str(),
             stderr);
}

std::string clock_text(double seconds) {
  const int64_t whole = static_cast<int64_t>(seconds + 0.5);
  if (whole >= 3600) {
    return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  }
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

}  // namespace fathom::cli
