// FP8 to BF16 and back, a checkpoint at a time: docs/formats/convert-journal.md.
#pragma once

#include <cstdint>
#include <string>

#include "checkpoint/progress.h"
#include "io/file_system.h"
#include "tensor/dtype.h"

namespace fathom {

struct ConvertOptions {
  DType to = DType::kBF16;  // kBF16 or kF8E4M3
  int threads = 1;
  Progress progress = {};  // bytes written, in all
};

struct ConvertSummary {
  uint64_t bytes = 0;  // of all shards written or kept
  int shards = 0;
  int kept = 0;  // of an earlier run that did not finish
};

/// Writes `source` to `target` with its FP8 matrices as BF16 (the published fp8_cast_bf16.py, to
/// the byte), or its BF16 and F32 projections as FP8 (what the published checkpoint keeps in FP8).
/// Each tensor stays in the shard of its name; tokenizer and other files are carried over; the
/// index is rewritten and config.json, which makes the directory a checkpoint, comes last. A run
/// that was killed leaves only whole files under final names; the next one keeps those and goes on.
/// Throws Error: what Checkpoint::open throws, kConflict where `target` holds another model or
/// somebody else writes one there, kIo where the disk is full, kBadInput for weights that are not
/// finite (to FP8).
ConvertSummary convert_checkpoint(const std::string& source, const std::string& target,
                                  const ConvertOptions& options,
                                  io::FileSystem& files = io::system_files());

}  // namespace fathom
