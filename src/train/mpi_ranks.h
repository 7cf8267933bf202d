// Ranks started by mpirun.
#pragma once

#include <atomic>
#include <memory>

#include "train/ranks.h"

namespace fathom::train {

/// The ranks that mpirun started, this process among them; one alone where it was started without.
/// A rank that waits for others while `stop` is true gives up after a moment, for mpirun ends the
/// ranks that are left when one is gone. Throws Error(kUnsupported) for several ranks where the
/// program was built without MPI.
std::unique_ptr<Ranks> join_ranks(const std::atomic<bool>& stop);

}  // namespace fathom::train
