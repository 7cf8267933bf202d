#include "checkpoint/parallel_jobs.h"

#include <atomic>
#include <exception>
#include <mutex>

namespace fathom {

void run_jobs(ThreadPool& pool, int64_t items,
              const std::function<void(int64_t item, int thread)>& job) {
  std::atomic<bool> failed = false;
  std::mutex mutex;
  std::exception_ptr first;
  pool.run(items, [&](int64_t item, int thread) {
    if (failed) return;
    try {
      job(item, thread);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!first) first = std::current_exception();
      failed = true;
    }
  });
  if (first) std::rethrow_exception(first);
}

}  // namespace fathom
