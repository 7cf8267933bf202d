#include "base/thread_pool.h"

#include <immintrin.h>
#include <pthread.h>

#include <atomic>

#include "base/check.h"
#include "base/processors.h"
#include "base/worker_thread.h"

namespace fathom {
namespace {

// A pause is some 40 cycles, so about 100 us: longer than any serial stretch inside a step, shorter
// than anybody would notice on a meter.
constexpr int kSpins = 8000;

int processors_of(const std::vector<NumaNode>& nodes) {
  size_t count = 0;
  for (const NumaNode& node : nodes) count += node.processors.size();
  return static_cast<int>(count);
}

void tie(pthread_t thread, const cpu_set_t& place) {
  pthread_setaffinity_np(thread, sizeof place, &place);  // a wish: a refusal is no error
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
  // Who sleeps, or is about to: waking is a system call, which costs as much as a short job, and
  // GCC's library makes it whether anybody sleeps or not.
  alignas(64) std::atomic<int> workers_asleep{0};
  std::atomic<bool> caller_asleep{false};
  struct alignas(64) Part {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };
  alignas(64) Call call = nullptr;
  void* context = nullptr;
  std::vector<Part> parts;  // of each node
  int spins = kSpins;

  explicit Shared(size_t nodes) : parts(nodes) {}

  // The thread's own node's part first, then the others'.
  void drain(int thread, int node) {
    for (size_t n = 0; n < parts.size(); ++n) {
      Part& part = parts[(static_cast<size_t>(node) + n) % parts.size()];
      for (int64_t i; (i = part.next.fetch_add(1, std::memory_order_relaxed)) < part.end;) {
        call(context, i, thread);
      }
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
    if (state.fetch_sub(1) == 1 && caller_asleep.load()) state.notify_one();
  }

  /// Returns the epoch that differs from `seen`.
  uint32_t await_epoch(uint32_t seen) {
    for (;;) {
      for (int i = 0; i < spins && bursts.load(std::memory_order_relaxed) > 0; ++i) {
        const uint32_t now = epoch.load(std::memory_order_acquire);
        if (now != seen) return now;
        _mm_pause();
      }
      // Counted before the epoch is looked at again, as signal() changes it before it counts.
      workers_asleep.fetch_add(1);
      const uint32_t now = epoch.load();
      if (now == seen) epoch.wait(seen);
      workers_asleep.fetch_sub(1);
      if (now != seen) return now;
    }
  }

  void await_workers() {
    for (int i = 0; i < spins; ++i) {
      if (state.load(std::memory_order_acquire) == 0) return;
      _mm_pause();
    }
    caller_asleep.store(true);
    for (uint32_t now; (now = state.load()) != 0;) state.wait(now);
    caller_asleep.store(false);
  }

  void signal() {
    epoch.fetch_add(1);
    if (workers_asleep.load() > 0) epoch.notify_all();
  }

  void work(int thread, int node) {
    for (uint32_t seen = 0;;) {
      seen = await_epoch(seen);
      if (state.load(std::memory_order_acquire) & kStop) return;
      if (enter()) {
        drain(thread, node);
        leave();
      }
    }
  }
};

ThreadPool::ThreadPool(int threads, std::vector<NumaNode> nodes)
    : plan_(threads, nodes),
      processors_(processors_of(nodes)),
      shared_(std::make_unique<Shared>(plan_.nodes().size())),
      ends_(plan_.nodes().size()) {
  FATHOM_CHECK(threads < (1 << 16));
  // With more threads than processors a spinning thread would keep a working one waiting.
  if (threads > available_processors()) shared_->spins = 0;
  for (int i = 1; i < threads; ++i) {
    workers_.push_back(worker_thread(
        [shared = shared_.get(), i, node = plan_.node_of(i)] { shared->work(i, node); }));
    if (const auto place = place_of(i)) tie(workers_.back().native_handle(), *place);
  }
}

// The processors that a thread is tied to; none where the system may put it anywhere.
std::optional<cpu_set_t> ThreadPool::place_of(int thread) const {
  const bool own = threads() == processors_;
  if (threads() == 1 || threads() > processors_ || (!own && plan_.nodes().size() == 1)) return {};
  cpu_set_t place;
  CPU_ZERO(&place);
  if (own) {
    CPU_SET(plan_.processor_of(thread), &place);
  } else {
    for (int p : plan_.nodes()[size_t(plan_.node_of(thread))].processors) CPU_SET(p, &place);
  }
  return place;
}

ThreadPool::~ThreadPool() {
  shared_->state.store(Shared::kStop, std::memory_order_release);
  shared_->signal();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run_erased(std::span<const int64_t> ends, void* context, Call call) {
  FATHOM_CHECK(ends.size() == ends_.size());
  const int64_t items = ends.back();
  if (workers_.empty() || items <= 1) {
    for (int64_t i = 0; i < items; ++i) call(context, i, 0);
    return;
  }
  Shared& shared = *shared_;
  FATHOM_CHECK(shared.state.load(std::memory_order_relaxed) == 0);
  shared.call = call;
  shared.context = context;
  for (size_t n = 0; n < ends.size(); ++n) {
    shared.parts[n].next.store(n == 0 ? 0 : ends[n - 1], std::memory_order_relaxed);
    shared.parts[n].end = ends[n];
  }
  shared.state.store(Shared::kOpen, std::memory_order_release);
  shared.signal();
  shared.drain(0, plan_.node_of(0));
  shared.state.fetch_and(~Shared::kOpen, std::memory_order_acq_rel);
  shared.await_workers();
}

ThreadPool::Burst::Burst(ThreadPool& pool) : pool_(pool) {
  pool_.shared_->bursts.fetch_add(1, std::memory_order_relaxed);
  if (!pool_.workers_.empty()) pool_.shared_->signal();
  const auto place = pool_.place_of(0);
  cpu_set_t own;
  if (!place || pthread_getaffinity_np(pthread_self(), sizeof own, &own) != 0) return;
  callers_own_ = own;
  tie(pthread_self(), *place);
}

ThreadPool::Burst::~Burst() {
  pool_.shared_->bursts.fetch_sub(1, std::memory_order_relaxed);
  if (callers_own_) tie(pthread_self(), *callers_own_);
}

}  // namespace fathom
