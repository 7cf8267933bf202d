// Jobs that may fail, over a ThreadPool, whose own may not.
#pragma once

#include <cstdint>
#include <functional>

#include "base/thread_pool.h"

namespace fathom {

/// Calls job(item, thread) for each item in [0, items). After the first that throws no other
/// begins, and its exception is rethrown here once all have stopped.
void run_jobs(ThreadPool& pool, int64_t items,
              const std::function<void(int64_t item, int thread)>& job);

}  // namespace fathom
