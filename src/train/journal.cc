#include "train/journal.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "io/file_system.h"

namespace fathom::train {
namespace {

using nlohmann::ordered_json;

/// The lines of an earlier start that lie within what the state holds.
void keep_until(const std::string& path, int64_t step) {
  if (!std::filesystem::exists(path)) return;
  std::ifstream in(path);
  std::string kept, line;
  while (std::getline(in, line)) {
    const ordered_json json = ordered_json::parse(line, nullptr, false);
    if (!json.is_object() || json.value("step", step + 1) > step) continue;
    kept += line + '\n';
  }
  io::write_file_atomically(io::system_files(), path, kept);
}

std::string clock(double seconds) {
  const int64_t s = static_cast<int64_t>(seconds);
  return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
}

}  // namespace

Journal::Journal(const std::string& dir, int64_t step, int64_t total_steps, int64_t experts)
    : path_(dir + "/log.jsonl"),
      total_steps_(total_steps),
      experts_(experts),
      terminal_(isatty(STDERR_FILENO) == 1) {
  keep_until(path_, step);
}

void Journal::append(const std::string& line) {
  std::ofstream out(path_, std::ios::app);
  out << line << '\n';
  out.flush();
  if (!out) fail(ErrorKind::kIo, "{}: cannot append", path_);
}

void Journal::step(const StepRecord& r) {
  ordered_json json;
  json["step"] = r.step;
  json["tokens"] = r.tokens;
  json["loss"] = r.loss;
  json["mtp_loss"] = r.mtp_loss;
  json["mtp_accuracy"] = r.mtp_accuracy;
  json["balance_loss"] = r.balance_loss;
  json["lr"] = r.lr;
  json["grad_norm"] = r.grad_norm;
  json["tokens_per_second"] = r.tokens_per_second;
  json["max_violation"] = r.max_violation;
  json["load"] = r.load;
  append(json.dump());
  show(r);
}

void Journal::validation(const ValidationRecord& r) {
  ordered_json json;
  json["step"] = r.step;
  json["validation_loss"] = r.loss;
  json["validation_mtp_loss"] = r.mtp_loss;
  json["validation_mtp_accuracy"] = r.mtp_accuracy;
  json["validation_max_violation"] = r.max_violation;
  append(json.dump());
  double worst = 0;
  for (const double v : r.max_violation) worst = std::max(worst, v);
  fmt::print(stderr,
             "{}step {}: validation loss {:.4f}, MTP {:.4f} ({:.1f}% right), MaxVio {:.3f}\n",
             terminal_ ? "\r\033[K" : "", r.step, r.loss, r.mtp_loss, 100 * r.mtp_accuracy, worst);
}

/// A bar that is drawn anew on a terminal; elsewhere a line every ten seconds.
void Journal::show(const StepRecord& r) {
  const auto now = std::chrono::steady_clock::now();
  const bool last = r.step == total_steps_;
  if (!last &&
      now - shown_ < (terminal_ ? std::chrono::milliseconds(200) : std::chrono::seconds(10))) {
    return;
  }
  shown_ = now;
  double worst = 0;
  for (const double v : r.max_violation) worst = std::max(worst, v);
  const double left = r.seconds * static_cast<double>(total_steps_ - r.step);
  const std::string text = fmt::format(
      "{}/{} {:.1f}M tokens  loss {:.4f}  mtp {:.4f}  |g| {:.2f}  MaxVio {:.2f}  lr {:.2e}  "
      "{:.0f} tokens/s  {} left",
      r.step, total_steps_, static_cast<double>(r.tokens) / 1e6, r.loss, r.mtp_loss, r.grad_norm,
      worst, r.lr, r.tokens_per_second, clock(left));
  if (!terminal_) {
    fmt::print(stderr, "{}\n", text);
    return;
  }
  constexpr int kWidth = 20;
  const int done = static_cast<int>(kWidth * r.step / std::max<int64_t>(1, total_steps_));
  fmt::print(stderr, "\r\033[K[{}{}] {}", std::string(done, '#'), std::string(kWidth - done, '.'),
             text);
  std::fflush(stderr);
}

void Journal::finish() {
  if (terminal_) fmt::print(stderr, "\n");
}

}  // namespace fathom::train
