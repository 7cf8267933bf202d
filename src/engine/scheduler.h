// Which sequences a step works on, and how far.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/fair_share.h"
#include "engine/sequence.h"
#include "engine/sequence_memory.h"
#include "engine/step_budget.h"

namespace fathom::engine {

/// A sequence's share of a step: its next `tokens` known tokens. Where these are all that are left,
/// its drafts come with them and the next token is wanted.
struct Work {
  Sequence* sequence = nullptr;
  int64_t tokens = 0;

  bool completes() const { return tokens == sequence->left(); }
};

struct Plan {
  std::vector<Work> work;
  int64_t streams = 0;         // sequences that decode: one known token each
  int64_t prefill_tokens = 0;  // of the others
};

/// Every stream gets its next token in every step; what the step budget leaves goes to prompts, the
/// least served user's first. Users take turns for the running slots as well. When memory runs
/// short, the youngest sequence gives up its pages (to the context cache where it may) and waits;
/// the oldest always has what it needs, because no request is admitted that could not run alone.
/// For the engine's thread.
class Scheduler {
 public:
  Scheduler(SequenceMemory& memory, StepBudget& budget, int64_t max_running)
      : memory_(memory), budget_(budget), max_running_(max_running) {}

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
  bool secure(Sequence& sequence, int64_t end);
  void pause(Sequence& sequence);
  void requeue_paused();
  int64_t running_of(const std::string& user) const;

  SequenceMemory& memory_;
  StepBudget& budget_;
  const int64_t max_running_;
  FairShare share_;
  Sequences waiting_;  // by arrival
  Sequences running_;  // by arrival
  int64_t pauses_ = 0;
};

}  // namespace fathom::engine
