#include "base/thread_pool.h"

#include <sched.h>

#include <atomic>
#include <cmath>
#include <fstream>
#include <string>

#include "base/check.h"

namespace fathom {

struct ThreadPool::Shared {
  std::mutex mutex;
  std::condition_variable wake;
  std::condition_variable done;
  uint64_t generation = 0;
  int busy = 0;
  bool stop = false;
  const std::function<void(int64_t, int)>* job = nullptr;
  int64_t items = 0;
  std::atomic<int64_t> next{0};

  void drain(int thread) {
    for (int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < items;) (*job)(i, thread);
  }

  void work(int thread) {
    uint64_t seen = 0;
    std::unique_lock lock(mutex);
    for (;;) {
      wake.wait(lock, [&] { return stop || generation != seen; });
      if (stop) return;
      seen = generation;
      lock.unlock();
      drain(thread);
      lock.lock();
      if (--busy == 0) done.notify_one();
    }
  }
};

ThreadPool::ThreadPool(int threads) : shared_(std::make_unique<Shared>()) {
  FATHOM_CHECK(threads >= 1);
  for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { shared_->work(i); });
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(shared_->mutex);
    shared_->stop = true;
  }
  shared_->wake.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run(int64_t items, const std::function<void(int64_t, int)>& job) {
  if (items <= 0) return;
  {
    std::lock_guard lock(shared_->mutex);
    FATHOM_CHECK(shared_->busy == 0);
    shared_->job = &job;
    shared_->items = items;
    shared_->next.store(0, std::memory_order_relaxed);
    shared_->busy = static_cast<int>(workers_.size());
    ++shared_->generation;
  }
  shared_->wake.notify_all();
  shared_->drain(0);
  std::unique_lock lock(shared_->mutex);
  shared_->done.wait(lock, [&] { return shared_->busy == 0; });
}

int available_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int count = 1;
  if (sched_getaffinity(0, sizeof set, &set) == 0) count = CPU_COUNT(&set);
  std::ifstream quota_file("/sys/fs/cgroup/cpu.max");  // "max 100000" or "200000 100000"
  std::string quota;
  double period = 0;
  if (quota_file >> quota >> period && quota != "max" && period > 0) {
    count = std::min(count, static_cast<int>(std::ceil(std::stod(quota) / period)));
  }
  return std::max(count, 1);
}

}  // namespace fathom
