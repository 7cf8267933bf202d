// A fixed set of threads for the hot path.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace fathom {

/// Runs one job at a time over its threads, the caller being thread 0. Work is handed out by an
/// atomic counter, so results may not depend on which thread runs which item.
/// Not reentrant: a job may not call the pool it runs on.
class ThreadPool {
 public:
  /// `threads` in all, the caller included; at least 1.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  /// Calls job(item, thread) for each item in [0, items) and returns when all are done. The job must
  /// not throw.
  void run(int64_t items, const std::function<void(int64_t item, int thread)>& job);

 private:
  struct Shared;
  std::unique_ptr<Shared> shared_;
  std::vector<std::thread> workers_;
};

/// The processors this process may use: affinity and cgroup quota counted, at least 1.
int available_processors();

}  // namespace fathom
