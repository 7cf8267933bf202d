// A fixed set of threads for the hot path.
#pragma once

#include <sched.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <thread>
#include <type_traits>
#include <vector>

#include "base/numa.h"

namespace fathom {

/// Runs one job at a time over its threads, the caller being thread 0. Items are dealt out in turns
/// to the threads on whose NUMA node's memory they lie; who has done his helps his node's others,
/// then the other nodes'. Results may not depend on which thread runs which item.
/// Not reentrant: a job may not call the pool it runs on. Jobs may come from any thread, one at a
/// time.
///
/// A job waits only for threads that have begun on it, never for one that still sleeps: a worker
/// that the system keeps off its processor delays nobody. Workers watch for the next job a short
/// while before they sleep.
class ThreadPool {
 public:
  /// `threads` in all, the caller included; at least 1. Where that is as many as the processors of
  /// `nodes`, each worker is tied to one of them, and a caller to another while its Burst lives:
  /// left free, it may come to lie on a worker's, and they take turns there. With fewer threads
  /// than that and several nodes, each is tied to its node. Throws Error(kResource) where the
  /// system does not give that many.
  explicit ThreadPool(int threads, std::vector<NumaNode> nodes = numa_nodes());
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return plan_.threads(); }
  const NumaPlan& plan() const { return plan_; }

  /// Calls job(item, thread) for each item in [0, items) and returns when all are done. The job
  /// must not throw.
  template <typename Job>
  void run(int64_t items, Job&& job) {
    for (size_t n = 0; n < ends_.size(); ++n) ends_[n] = plan_.part(static_cast<int>(n), items).end;
    run(ends_, job);
  }
  /// The same for items of which those before ends[0] lie on the first node of plan(), those from
  /// there to ends[1] on the second, and so on.
  template <typename Job>
  void run(std::span<const int64_t> ends, Job&& job) {
    using Plain = std::remove_reference_t<Job>;
    run_erased(ends, const_cast<void*>(static_cast<const void*>(&job)),
               [](void* context, int64_t item, int thread) {
                 (*static_cast<Plain*>(context))(item, thread);
               });
  }

  /// While one lives, jobs follow each other closely: the first that is shared out ties the caller
  /// to its processor. Until it ends, jobs come from the thread that opened it. May be nested.
  class Burst {
   public:
    explicit Burst(ThreadPool& pool);
    ~Burst();
    Burst(const Burst&) = delete;
    Burst& operator=(const Burst&) = delete;

   private:
    friend class ThreadPool;
    void tie_caller();

    ThreadPool& pool_;
    Burst* const outer_;
    bool begun_ = false;
    std::optional<cpu_set_t> callers_own_;  // processors, to go back to
  };

 private:
  using Call = void (*)(void* context, int64_t item, int thread);
  struct Lane;
  struct Shared;
  void end_workers();
  void deal(std::span<const int64_t> ends);
  void run_erased(std::span<const int64_t> ends, void* context, Call call);
  std::optional<cpu_set_t> place_of(int thread) const;

  const NumaPlan plan_;
  const int processors_;  // of all nodes
  std::unique_ptr<Shared> shared_;
  std::vector<std::thread> workers_;
  std::vector<int64_t> ends_;  // of a job whose items lie anywhere
  Burst* burst_ = nullptr;     // the innermost
};

}  // namespace fathom
