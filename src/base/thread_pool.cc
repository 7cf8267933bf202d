#include "base/thread_pool.h"

#include <immintrin.h>
#include <pthread.h>

#include <atomic>
#include <system_error>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "base/processors.h"
#include "base/worker_thread.h"

namespace fathom {
namespace {

// A pause is some 40 cycles, so about 100 us: longer than any serial stretch inside a step and most
// between two, shorter than anybody would notice on a meter.
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

// What one thread is to do of a job: items first, first + stride and so on, `count` of them. Others
// take from it when they have done theirs.
struct alignas(64) ThreadPool::Lane {
  std::atomic<uint32_t> busy{0};  // its worker is inside a job, or looks whether it may be
  std::atomic<int64_t> taken{0};
  int64_t first = 0, stride = 1, count = 0;

  template <typename Each>
  void drain(Each&& each) {
    // Most that look find nothing, and a look leaves the line where it is.
    while (taken.load(std::memory_order_relaxed) < count) {
      const int64_t i = taken.fetch_add(1, std::memory_order_relaxed);
      if (i < count) each(first + i * stride);
    }
  }
};

// NOTES: what costs is a line that goes to another processor, some 60 to 250 ns each, and a layer
// has seven jobs. So a job's description lies in one line, which the caller alone writes; each
// thread counts in a line of its own; and who is inside is told there too.
struct ThreadPool::Shared {
  alignas(64) std::atomic<uint32_t> epoch{0};  // idle workers watch it: a job has begun
  std::atomic<bool> open{false};               // a job may be joined
  std::atomic<bool> stop{false};
  Call call = nullptr;
  void* context = nullptr;
  // Who sleeps, or is about to: waking is a system call, which costs as much as a short job, and
  // GCC's library makes it whether anybody sleeps or not.
  alignas(64) std::atomic<int> workers_asleep{0};
  std::atomic<bool> caller_asleep{false};
  std::vector<Lane> lanes;  // of each thread
  int spins = kSpins;

  explicit Shared(size_t threads) : lanes(threads) {}

  // The thread's own lane first. Those of its node are next to it, in a ring.
  void drain(int thread, const NumaPlan& plan) {
    const auto each = [&](int64_t item) { call(context, item, thread); };
    const int node = plan.node_of(thread);
    const auto [begin, end] = plan.part(node, plan.threads());
    for (int64_t i = 0; i < end - begin; ++i) {
      lanes[static_cast<size_t>(begin + (thread - begin + i) % (end - begin))].drain(each);
    }
    for (int64_t i = end - begin; i < plan.threads(); ++i) {
      lanes[static_cast<size_t>((begin + i) % plan.threads())].drain(each);
    }
  }

  // A worker says that it is inside before it looks whether the job is open, and the caller closes
  // the job before it looks who is inside: one of them sees the other.
  void join(int thread, const NumaPlan& plan) {
    Lane& own = lanes[static_cast<size_t>(thread)];
    own.busy.store(1);
    if (open.load()) drain(thread, plan);
    own.busy.store(0);
    if (caller_asleep.load()) own.busy.notify_one();
  }

  /// Returns the epoch that differs from `seen`.
  uint32_t await_epoch(uint32_t seen) {
    for (;;) {
      for (int i = 0; i < spins; ++i) {
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

  void await(Lane& lane) {
    for (int i = 0; i < spins; ++i) {
      if (lane.busy.load() == 0) return;
      _mm_pause();
    }
    caller_asleep.store(true);
    while (lane.busy.load() != 0) lane.busy.wait(1);
    caller_asleep.store(false);
  }

  void signal() {
    epoch.fetch_add(1);
    if (workers_asleep.load() > 0) epoch.notify_all();
  }

  void work(int thread, const NumaPlan& plan) {
    for (uint32_t seen = 0;;) {
      seen = await_epoch(seen);
      if (stop.load()) return;
      join(thread, plan);
    }
  }
};

ThreadPool::ThreadPool(int threads, std::vector<NumaNode> nodes)
    : plan_(threads, nodes),
      processors_(processors_of(nodes)),
      shared_(std::make_unique<Shared>(static_cast<size_t>(threads))),
      ends_(plan_.nodes().size()) {
  // With more threads than processors a spinning thread would keep a working one waiting.
  if (threads > available_processors()) shared_->spins = 0;
  workers_.reserve(static_cast<size_t>(threads) - 1);
  for (int i = 1; i < threads; ++i) {
    try {
      workers_.push_back(
          worker_thread([shared = shared_.get(), i, this] { shared->work(i, plan_); }));
    } catch (const std::system_error& error) {
      end_workers();  // the destructor won't
      fail(ErrorKind::kResource, "the system gives {} threads, expected {}: {}", i, threads,
           error.code().message());
    }
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

ThreadPool::~ThreadPool() { end_workers(); }

void ThreadPool::end_workers() {
  shared_->stop.store(true);
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
  if (burst_ != nullptr && !std::exchange(burst_->begun_, true)) burst_->tie_caller();
  Shared& shared = *shared_;
  FATHOM_CHECK(!shared.open.load(std::memory_order_relaxed));
  shared.call = call;
  shared.context = context;
  deal(ends);
  shared.open.store(true, std::memory_order_release);
  shared.signal();
  shared.drain(0, plan_);
  shared.open.store(false);
  for (size_t t = 1; t < shared.lanes.size(); ++t) shared.await(shared.lanes[t]);
}

// A node's items in turns to its threads: those at the end are the small ones, for all.
void ThreadPool::deal(std::span<const int64_t> ends) {
  int64_t begin = 0;
  for (size_t n = 0; n < ends.size(); ++n) {
    const auto [first, last] = plan_.part(static_cast<int>(n), threads());
    const int64_t items = ends[n] - begin, stride = last - first;
    for (int64_t i = 0; i < stride; ++i) {
      Lane& lane = shared_->lanes[static_cast<size_t>(first + i)];
      lane.first = begin + i;
      lane.stride = stride;
      lane.count = items > i ? (items - i + stride - 1) / stride : 0;
      lane.taken.store(0, std::memory_order_relaxed);
    }
    begin = ends[n];
  }
}

ThreadPool::Burst::Burst(ThreadPool& pool) : pool_(pool), outer_(pool.burst_) {
  pool.burst_ = this;
}

void ThreadPool::Burst::tie_caller() {
  const auto place = pool_.place_of(0);
  cpu_set_t own;
  if (!place || pthread_getaffinity_np(pthread_self(), sizeof own, &own) != 0) return;
  callers_own_ = own;
  tie(pthread_self(), *place);
}

ThreadPool::Burst::~Burst() {
  pool_.burst_ = outer_;
  if (callers_own_) tie(pthread_self(), *callers_own_);
}

}  // namespace fathom
