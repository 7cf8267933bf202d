// Random-weight checkpoints of any DeepSeek-V3 config, for tests and measurements.
#pragma once

#include <cstdint>
#include <string>

#include "checkpoint/config.h"
#include "checkpoint/progress.h"
#include "io/file_system.h"

namespace fathom {

struct SynthOptions {
  uint64_t seed = 0;
  bool fp8 = true;      // else BF16
  bool sparse = false;  // headers and holes: every weight reads as zero, and takes no disk
  int threads = 1;
  uint64_t shard_bytes = 4'300'000'000;  // as published
  std::string tokenizer_dir = {};        // where to take tokenizer.json from; "": a byte-level one
  Progress progress = {};
};

struct SynthSummary {
  uint64_t bytes = 0;  // of all shards
  int shards = 0;
  bool tokenizer = false;
};

/// `config` with fewer layers: those past `layers` go, and at least one MoE layer stays where there
/// were any.
ModelConfig cut_layers(ModelConfig config, int64_t layers);

/// Writes the checkpoint to `dir`: shards in the published layout and order, index, tokenizer, and
/// last config.json, without which no directory is a checkpoint. The bytes depend on config, seed
/// and type alone. Throws Error: kConflict where `dir` holds a model already or somebody else
/// writes one there, kIo where the disk has no room.
SynthSummary synth_checkpoint(const ModelConfig& config, const std::string& dir,
                              const SynthOptions& options,
                              io::FileSystem& files = io::system_files());

}  // namespace fathom
