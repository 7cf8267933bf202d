// Carries out a plan: the streams' forward pass, the draws, the drafts for the next step, and then
// some layers of the prompts' pass.
#pragma once

#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "engine/draft_policy.h"
#include "engine/drafter.h"
#include "engine/scheduler.h"

namespace fathom::engine {

/// What a step did, for the counters.
struct StepReport {
  int64_t new_tokens = 0;
  int64_t proposed = 0;
  int64_t kept = 0;
  bool computed = false;  // anything
};

/// For the engine's thread.
class StepRunner {
 public:
  StepRunner(LanguageModel& model, SequenceMemory& memory, StepBudget& budget, PrefillPass& prefill,
             DraftPolicy& policy, const Clock& clock);

  /// Tokens go to the sinks. A sequence whose tokens make the model or a draw throw ends with
  /// kError (kResource for an Error of that kind); the others don't notice.
  StepReport run(const Plan& plan);
  /// See Engine. Tokens are a round, before the drafts that follow them are made.
  void after_rounds(std::function<void()> then) { after_round_ = std::move(then); }
  void end_round() const { after_round_(); }

 private:
  void run_streams(std::span<const Work> streams, bool beside_prompts);
  void begin_prompts(const std::vector<Work>& prompts);
  void advance_prompts(int64_t streams, Time step_start);
  void run_each(std::span<const Work> prompts);
  void publish(std::span<const Work> work);
  void forward(std::span<const Work> work);
  void forward_each(std::span<const Work> work);
  void take(std::span<const Work> work, std::span<const StepSequence> steps,
            const StepOutput& output);
  void take(const Work& work, Mat<const float> logits, Mat<const float> hidden);
  bool draw(Sequence& sequence, std::span<const float> logits);
  bool accept(Sequence& sequence, const GeneratedToken& token);
  void draft(std::span<const Work> streams, DraftPolicy::Step step);

  LanguageModel& model_;
  SequenceMemory& memory_;
  StepBudget& budget_;
  PrefillPass& prefill_;
  DraftPolicy& policy_;
  const Clock& clock_;
  Sampler sampler_;
  Drafter drafter_;
  std::vector<uint64_t> mask_;
  StepReport report_;
  std::function<void()> after_round_ = [] {};
};

}  // namespace fathom::engine
