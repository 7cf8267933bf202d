// Whether a model fits, asked before any of it is read.
#pragma once

#include <cstdint>

#include "checkpoint/checkpoint.h"
#include "kernels/numerics.h"

namespace fathom::cli {

struct MemoryNeed {
  uint64_t weights = 0;  // bytes of tensors that a forward pass may touch
  uint64_t cache = 0;    // bytes of latent cache for the context asked for
  uint64_t total() const { return weights + cache; }
};

MemoryNeed memory_need(const Checkpoint& checkpoint, Numerics numerics, int64_t context);

/// What this process could use now: the kernel's estimate (page cache counted as free), within the
/// cgroup's limit.
uint64_t memory_available();

}  // namespace fathom::cli
