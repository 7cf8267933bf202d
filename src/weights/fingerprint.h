// A name for a checkpoint's content, cheap enough for 700 GB.
#pragma once

#include <string>

#include "checkpoint/checkpoint.h"

namespace fathom {

/// 32 hex digits over the config, every tensor's name, dtype and shape, and 4 KB from the middle of
/// every tensor but the experts', of which up to some hundred are looked at. The same for copies of
/// a checkpoint. Two trainings differ in it, and so does one in which all of a layer's attention
/// was changed; a few bits changed deep in a shard may not show.
std::string weights_fingerprint(const Checkpoint& checkpoint);

/// The same digits over each shard's name, size and time of its last change: what weights on this
/// machine can be told apart by where any bit may matter. A copy has others.
std::string weights_files(const Checkpoint& checkpoint);

}  // namespace fathom
