// The TOML file of a training run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "train/operand.h"

namespace fathom::train {

struct SourceSettings {
  std::string path;   // a token bin
  double weight = 1;  // its share of the sequences, relative to the others'
};

struct DataSettings {
  std::vector<SourceSettings> train;
  std::vector<SourceSettings> validation;
  int64_t sequence = 1024;         // tokens of a sequence
  bool use_mask = false;           // honour the bins' masks (SFT)
  bool isolate_documents = false;  // attention ends at a begin-of-sentence token (SFT)
  std::string tokenizer;           // directory whose tokenizer files go into exports; may be empty
};

struct BatchSettings {
  int64_t sequences = 16;       // of a step
  int64_t start_sequences = 0;  // of the first steps; 0: no ramp
  int64_t ramp_steps = 0;       // over which the batch grows, in equal parts
  int64_t micro = 4;            // sequences of one pass
  int64_t shards = 1;           // parts whose gradients are summed apart, then in order
};

struct ParallelSettings {
  bool experts = false;  // the ranks of an MPI run divide the routed experts among themselves
};

struct ScheduleTail {
  int64_t steps = 0;
  double lr = 0;
};

/// Linear up over `warmup` steps to `peak`, constant for `constant`, a cosine down to `final` over
/// `decay`, then the tails.
struct ScheduleSettings {
  double peak = 2.2e-4;
  double final = 2.2e-5;
  int64_t warmup = 100;
  int64_t constant = 1000;
  int64_t decay = 1000;
  std::vector<ScheduleTail> tails;

  int64_t steps() const;
  double rate(int64_t step) const;
};

struct OptimizerSettings {
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  double weight_decay = 0.1;
  double clip = 1.0;           // of the gradient's global norm; 0: none
  double ema = 0.999;          // decay of the parameters' average; 0: none is kept
  uint64_t rounding_seed = 0;  // not 0: BF16 moments are rounded stochastically
};

struct ObjectiveSettings {
  double gamma = 0.001;         // step of the routing bias
  int64_t gamma_steps = -1;     // after which gamma is 0; -1: never
  double balance_alpha = 1e-4;  // of the sequence-wise balance loss
  double mtp_weight = 0.3;
  double mtp_late_weight = 0.1;
  int64_t mtp_late_step = -1;  // from which the late weight holds; -1: never
};

struct OutputSettings {
  std::string dir;
  int64_t save_every = 200;  // steps
  int64_t export_every = 0;  // steps; 0: at the end only
  int64_t validate_every = 200;
  int64_t validate_sequences = 32;
  bool export_ema = true;    // the average rather than the last parameters
  bool export_bf16 = false;  // BF16 weights instead of FP8
};

struct Settings {
  std::string model;  // architecture: a config.json
  /// An earlier run's state or a checkpoint directory to take the parameters from; may be empty.
  std::string init_from;
  Precision precision = Precision::kFP8;
  uint64_t seed = 1;
  double init_std = 0.02;
  double embedding_std = 0;  // of the initial embedding; 0: init_std
  int64_t local_heads = 0;   // of the first layer: start out looking 1, 2, ... tokens back
  int threads = 0;           // 0: as many as the process may use
  DataSettings data;
  BatchSettings batch;
  ParallelSettings parallel;
  ScheduleSettings schedule;
  OptimizerSettings optimizer;
  ObjectiveSettings objective;
  OutputSettings output;

  /// Sequences of step `step`, a multiple of shards.
  int64_t sequences_at(int64_t step) const;

  /// Relative paths are taken from the file's directory. Throws Error naming file and key: for a
  /// key that is not known, a value of another type or out of range.
  static Settings load(const std::string& path);
};

}  // namespace fathom::train
