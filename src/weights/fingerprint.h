// A name for a checkpoint's content, cheap enough for 700 GB.
#pragma once

#include <string>

#include "checkpoint/checkpoint.h"

namespace fathom {

/// 32 hex digits over the config, every tensor's name, dtype and shape, and the bytes of a sample
/// of tensors (all small ones, the beginnings of up to 256 large ones). Two trainings of one
/// architecture differ in it; a single flipped bit deep in a shard may not.
std::string weights_fingerprint(const Checkpoint& checkpoint);

}  // namespace fathom
