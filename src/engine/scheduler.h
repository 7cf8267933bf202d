// Which sequences a step works on, and how far.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/fair_share.h"
#include "engine/prefill_pass.h"
#include "engine/sequence.h"
#include "engine/sequence_memory.h"
#include "engine/step_budget.h"
#include "engine/work.h"

namespace fathom::engine {

struct Plan {
  std::vector<Work> streams;  // sequences that decode: one known token each
  std::vector<Work> prompts;  // of which a prefill pass is to begin; none while one is under way
};

/// Every stream gets its next token in every step; prompts come in beside them in a prefill pass of
/// as many tokens as the step budget says, the least served user's first. Users take turns for the
/// running slots as well. When memory runs short, the youngest sequence gives up its pages (to the
/// context cache where it may) and waits; the oldest always has what it needs, because no request
/// is admitted that could not run alone. For the engine's thread.
class Scheduler {
 public:
  Scheduler(SequenceMemory& memory, StepBudget& budget, PrefillPass& prefill, int64_t max_running)
      : memory_(memory), budget_(budget), prefill_(prefill), max_running_(max_running) {}

  void add(std::unique_ptr<Sequence> sequence);
  void cancel(RequestId id);

  /// Ends what is cancelled or late, admits, and chooses. Memory for the work is reserved.
  Plan plan(Time now);

  /// The sequences that are over; their memory is released.
  std::vector<std::unique_ptr<Sequence>> take_finished();

  /// Ends everything.
  void finish_all(FinishReason reason);

  int64_t running() const { return static_cast<int64_t>(running_.size()); }
  int64_t waiting() const { return static_cast<int64_t>(waiting_.size()); }
  int64_t paused() const;
  int64_t pauses() const { return pauses_; }  // ever

 private:
  using Sequences = std::vector<std::unique_ptr<Sequence>>;

  void end_late(Time now);
  void admit(Time now);
  Sequences::iterator next_waiting();
  bool make_slot_for(const std::string& user);
  void plan_streams(Plan& plan);
  void plan_prompts(Plan& plan);
  void charge(const Work& work, double cost);
  bool secure(Sequence& sequence, int64_t end);
  void pause(Sequence& sequence);
  void requeue_paused();
  int64_t running_of(const std::string& user) const;

  SequenceMemory& memory_;
  StepBudget& budget_;
  PrefillPass& prefill_;
  const int64_t max_running_;
  FairShare share_;
  Sequences waiting_;  // by arrival
  Sequences running_;  // by arrival
  int64_t pauses_ = 0;
};

}  // namespace fathom::engine
