#include "base/thread_pool.h"

#include <immintrin.h>
#include <pthread.h>

#include <atomic>

#include "base/check.h"
#include "base/worker_thread.h"

namespace fathom {
namespace {

// A pause is some 40 cycles, so about 100 us: longer than any serial stretch inside a step, shorter
// than anybody would notice on a meter.
constexpr int kSpins = 8000;

void pin(pthread_t thread, int processor) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  pthread_setaffinity_np(thread, sizeof set, &set);  // a wish: a refusal is no error
}

}  // namespace

struct ThreadPool::Shared {
  // `state` is kOpen while a job may be joined, plus the number of workers inside it.
  static constexpr uint32_t kOpen = 1u << 31;
  static constexpr uint32_t kStop = 1u << 30;

  alignas(64) std::atomic<uint32_t> epoch{
      0};  // idle workers watch it: a job, or a burst, has begun
  std::atomic<int> bursts{0};
  alignas(64) std::atomic<uint32_t> state{0};
  alignas(64) std::atomic<int64_t> next{0};
  alignas(64) Call call = nullptr;
  void* context = nullptr;
  int64_t items = 0;
  int spins = kSpins;

  void drain(int thread) {
    for (int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < items;) {
      call(context, i, thread);
    }
  }

  bool enter() {
    uint32_t seen = state.load(std::memory_order_relaxed);
    while (seen & kOpen) {
      if (state.compare_exchange_weak(seen, seen + 1, std::memory_order_acquire)) return true;
    }
    return false;
  }

  void leave() {
    if (state.fetch_sub(1, std::memory_order_release) == 1) state.notify_one();
  }

  /// Returns the epoch that differs from `seen`.
  uint32_t await_epoch(uint32_t seen) {
    for (;;) {
      for (int i = 0; i < spins && bursts.load(std::memory_order_relaxed) > 0; ++i) {
        const uint32_t now = epoch.load(std::memory_order_acquire);
        if (now != seen) return now;
        _mm_pause();
      }
      const uint32_t now = epoch.load(std::memory_order_acquire);
      if (now != seen) return now;
      epoch.wait(seen, std::memory_order_acquire);
    }
  }

  void await_workers() {
    for (int i = 0; i < spins; ++i) {
      if (state.load(std::memory_order_acquire) == 0) return;
      _mm_pause();
    }
    for (uint32_t now; (now = state.load(std::memory_order_acquire)) != 0;) {
      state.wait(now, std::memory_order_acquire);
    }
  }

  void signal() {
    epoch.fetch_add(1, std::memory_order_release);
    epoch.notify_all();
  }

  void work(int thread) {
    for (uint32_t seen = 0;;) {
      seen = await_epoch(seen);
      if (state.load(std::memory_order_acquire) & kStop) return;
      if (enter()) {
        drain(thread);
        leave();
      }
    }
  }
};

ThreadPool::ThreadPool(int threads, bool pinned) : shared_(std::make_unique<Shared>()) {
  FATHOM_CHECK(threads >= 1 && threads < (1 << 16));
  std::vector<int> processors = allowed_processors();
  if (pinned && threads > 1 && threads == std::ssize(processors))
    pinned_to_ = std::move(processors);
  // With more threads than processors a spinning thread would keep a working one waiting.
  if (threads > available_processors()) shared_->spins = 0;
  for (int i = 1; i < threads; ++i) {
    workers_.push_back(worker_thread([shared = shared_.get(), i] { shared->work(i); }));
    if (!pinned_to_.empty()) pin(workers_.back().native_handle(), pinned_to_[size_t(i)]);
  }
}

ThreadPool::~ThreadPool() {
  shared_->state.store(Shared::kStop, std::memory_order_release);
  shared_->signal();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run_erased(int64_t items, void* context, Call call) {
  if (items <= 0) return;
  if (workers_.empty() || items == 1) {
    for (int64_t i = 0; i < items; ++i) call(context, i, 0);
    return;
  }
  Shared& shared = *shared_;
  FATHOM_CHECK(shared.state.load(std::memory_order_relaxed) == 0);
  shared.call = call;
  shared.context = context;
  shared.items = items;
  shared.next.store(0, std::memory_order_relaxed);
  shared.state.store(Shared::kOpen, std::memory_order_release);
  shared.signal();
  shared.drain(0);
  shared.state.fetch_and(~Shared::kOpen, std::memory_order_acq_rel);
  shared.await_workers();
}

ThreadPool::Burst::Burst(ThreadPool& pool) : pool_(pool) {
  pool_.shared_->bursts.fetch_add(1, std::memory_order_relaxed);
  if (!pool_.workers_.empty()) pool_.shared_->signal();
  if (pool_.pinned_to_.empty()) return;
  cpu_set_t own;
  if (pthread_getaffinity_np(pthread_self(), sizeof own, &own) != 0) return;
  callers_own_ = own;
  pin(pthread_self(), pool_.pinned_to_.front());
}

ThreadPool::Burst::~Burst() {
  pool_.shared_->bursts.fetch_sub(1, std::memory_order_relaxed);
  if (callers_own_) pthread_setaffinity_np(pthread_self(), sizeof *callers_own_, &*callers_own_);
}

}  // namespace fathom
