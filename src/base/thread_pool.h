// A fixed set of threads for the hot path.
#pragma once

#include <sched.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <thread>
#include <type_traits>
#include <vector>

#include "base/processors.h"

namespace fathom {

/// Runs one job at a time over its threads, the caller being thread 0. Work is handed out by an
/// atomic counter, so results may not depend on which thread runs which item.
/// Not reentrant: a job may not call the pool it runs on. Jobs may come from any thread, one at a
/// time.
///
/// A job waits only for threads that have begun on it, never for one that still sleeps: a worker
/// that the system keeps off its processor delays nobody.
class ThreadPool {
 public:
  /// `threads` in all, the caller included; at least 1. Where that is as many as the processors
  /// this process may use, `pin` ties worker i to the i-th of them, and a caller to the first while
  /// its Burst lives: left free, it may come to lie on a worker's, and they take turns there.
  explicit ThreadPool(int threads, bool pin = true);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  /// Calls job(item, thread) for each item in [0, items) and returns when all are done. The job
  /// must not throw.
  template <typename Job>
  void run(int64_t items, Job&& job) {
    using Plain = std::remove_reference_t<Job>;
    run_erased(items, const_cast<void*>(static_cast<const void*>(&job)),
               [](void* context, int64_t item, int thread) {
                 (*static_cast<Plain*>(context))(item, thread);
               });
  }

  /// While one lives, jobs follow each other closely: idle workers spin (a bounded while) instead
  /// of sleeping. Opening it wakes them. For the thread that opened it.
  class Burst {
   public:
    explicit Burst(ThreadPool& pool);
    ~Burst();
    Burst(const Burst&) = delete;
    Burst& operator=(const Burst&) = delete;

   private:
    ThreadPool& pool_;
    std::optional<cpu_set_t> callers_own_;  // processors, to go back to
  };

 private:
  using Call = void (*)(void* context, int64_t item, int thread);
  struct Shared;
  void run_erased(int64_t items, void* context, Call call);

  std::unique_ptr<Shared> shared_;
  std::vector<std::thread> workers_;
  std::vector<int> pinned_to_;  // empty: threads run where the system puts them
};

}  // namespace fathom
