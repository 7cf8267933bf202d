// The engine on a model in this process.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "cache/context_cache.h"
#include "engine/clock.h"
#include "engine/engine.h"
#include "engine/scheduler.h"
#include "engine/step_runner.h"

namespace fathom {

struct LocalEngineOptions {
  size_t kv_bytes =
      size_t{4} << 30;         ///< of latent KV in memory, the context cache's share included
  int64_t max_running = 64;    ///< sequences in a step
  int64_t max_waiting = 1024;  ///< beyond it submit() refuses
  engine::StepBudgetOptions step = {};
  bool speculation = true;  ///< where the model has an MTP layer and it pays
  int max_drafts = 3;       ///< tokens proposed at a time, 0 to 4
  cache::ContextCacheOptions cache = {};
  const engine::Clock* clock = nullptr;  ///< not owned; null: the system's
  bool own_thread = true;  ///< false: somebody calls step(), for tests that repeat exactly
};

class LocalEngine final : public Engine {
 public:
  /// `model` must outlive the engine and be used by nobody else meanwhile. Throws Error: kResource
  /// for a budget below one page, and what cache::DiskStore throws.
  LocalEngine(LanguageModel& model, LocalEngineOptions options);
  /// Ends what is left with kCancelled.
  ~LocalEngine() override;

  RequestId submit(Request request, std::shared_ptr<TokenSink> sink) override;
  void cancel(RequestId id) override;
  EngineStats stats() const override;
  void after_rounds(std::function<void()> then) override { runner_.after_rounds(std::move(then)); }

  /// One step on the caller's thread, without own_thread only. False when there was nothing to
  /// compute just now.
  bool step();
  /// Waits until what was published to the context cache is on disk. Without own_thread only.
  cache::ContextCache& context_cache() { return cache_; }

 private:
  void check(const Request& request) const;
  int64_t limit_of(const Request& request) const;
  void work();
  void take_inbox();
  void deliver_finished();
  void publish_stats();
  void wake();

  LanguageModel& model_;
  const LocalEngineOptions options_;
  const engine::Clock default_clock_;
  const engine::Clock& clock_;
  mutable std::mutex
      mutex_;  // of what stands after `totals_`; before cache_, whose thread wakes us
  std::condition_variable changed_;
  bool woken_ = false;
  cache::PagePool pool_;
  cache::ContextCache cache_;
  engine::SequenceMemory memory_;
  engine::StepBudget budget_;
  engine::DraftPolicy policy_;
  engine::PrefillPass prefill_;
  engine::Scheduler scheduler_;
  engine::StepRunner runner_;
  EngineStats totals_;  // the engine's thread's

  std::vector<std::unique_ptr<engine::Sequence>> inbox_;
  std::vector<RequestId> cancels_;
  RequestId next_id_ = 1;
  Rng seeds_;
  EngineStats stats_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace fathom
