// What a run tells: one JSON line a step, a line or a bar on the terminal, and the HTML report.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "train/net.h"

namespace fathom::train {

struct StepRecord {
  int64_t step = 0;  // counted from 1
  int64_t tokens = 0;
  double loss = 0;  // nats a token, of the main head
  double mtp_loss = 0;
  double mtp_accuracy = 0;  // share of MTP's best tokens that are the target
  double balance_loss = 0;
  double lr = 0;
  double grad_norm = 0;
  double seconds = 0;
  double tokens_per_second = 0;
  std::vector<double> max_violation;  // a MoE layer each
  std::vector<int64_t> load;          // [moe layers, experts]
};

struct ValidationRecord {
  int64_t step = 0;
  double loss = 0;
  double mtp_loss = 0;
  double mtp_accuracy = 0;
  std::vector<double> max_violation;
};

/// Appends to DIR/log.jsonl. Opening drops the lines past `step`, which a resumed run writes again.
class Journal {
 public:
  Journal(const std::string& dir, int64_t step, int64_t total_steps, int64_t experts);

  void step(const StepRecord& record);
  void validation(const ValidationRecord& record);
  /// Ends the progress bar's line.
  void finish();
  const std::string& path() const { return path_; }

 private:
  void append(const std::string& line);
  void show(const StepRecord& record);

  std::string path_;
  int64_t total_steps_;
  int64_t experts_;
  bool terminal_;
  std::chrono::steady_clock::time_point shown_{};
};

}  // namespace fathom::train
