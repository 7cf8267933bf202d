// A training run from its settings to the exported model.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "train/journal.h"
#include "train/net.h"
#include "train/optimizer.h"
#include "train/ranks.h"
#include "train/settings.h"
#include "train/state.h"
#include "train/step_gradients.h"

namespace fathom::train {

/// The order of all sums is fixed by the settings (sequences of a micro-batch, micro-batches of a
/// shard, shards of a step), never by the number of threads or of ranks.
class Trainer {
 public:
  /// Refuses to overwrite a run in output.dir unless `resume`; with it, goes on from the saved
  /// state (or starts where there is none). `ranks` outlives the trainer: all train one model, each
  /// on its shards; rank 0 alone writes.
  Trainer(const Settings& settings, Ranks& ranks, bool resume);

  /// Trains to the schedule's end, saving, validating and exporting on the way, and at the end
  /// exports and writes the report. When `stop` becomes true on any rank, saves after the step
  /// under way and throws Error(kCancelled).
  void run(const std::atomic<bool>& stop);

  int64_t parameters() const { return whole_.size; }
  /// As counted in cost.h.
  double flops_per_token() const;

 private:
  struct StepBatch;

  void step();
  void gather_batch(int64_t sequences, StepBatch& batch);
  MicroBatch micro_batch(const StepBatch& batch, int64_t first, int64_t end) const;
  LossSums accumulate(const StepBatch& batch, const LossScales& scales);
  double gradient_norm(const float* grads);
  void start_weights(bool saved);
  const Weights& whole_weights(std::unique_ptr<Weights>& gathered);
  ValidationRecord validate();
  void save();
  void export_now();
  std::string state_path() const { return settings_.output.dir + "/state.safetensors"; }

  Settings settings_;
  Ranks& ranks_;
  ModelConfig config_;
  bool divided_;   // the routed experts are
  Layout whole_;   // of the model
  Layout layout_;  // of this rank
  ThreadPool pool_;
  Weights weights_;
  Net<float> net_;
  Loader loader_;
  Progress progress_;
  StepGradients grads_;
  std::vector<int64_t> load_;
  std::unique_ptr<Journal> journal_;  // rank 0's
};

}  // namespace fathom::train
