// How much of a prompt a step may take in while others wait for their next token.
#pragma once

#include <array>
#include <cstdint>

#include "engine/typical_time.h"

namespace fathom::engine {

struct StepBudgetOptions {
  int64_t max_prefill_tokens = 512;  ///< in a step
  double max_slowdown = 1.35;        ///< of streams beside a prompt, against their pace before it
  double max_seconds = 1.0;          ///< of a step without streams, so that it still hears cancel()
};

/// Learns from measured steps. The cost of prompt tokens is not linear (few of them read other
/// experts than the streams do, many share them), so the chunk is controlled rather than computed.
/// Streams get slower as they grow, a long prompt lasts for thousands of steps, and what they take
/// alone must stay known: now and then they get a step for themselves. The slowdown is held against
/// their pace before prompts began to come in, so that they do not lose both ways; a prompt keeps a
/// sixth of the time, however slow they have become.
class StepBudget {
 public:
  explicit StepBudget(StepBudgetOptions options) : options_(options) {}

  /// Prompt tokens for the next step beside `streams` that decode; 0 where these are to be measured
  /// alone.
  int64_t prefill_tokens(int64_t streams) const;

  /// A step took `seconds` for these.
  void observe(int64_t streams, int64_t prefill_tokens, double seconds);

 private:
  static constexpr int kBuckets = 8;
  using Seconds = std::array<double, kBuckets>;  // by number of streams; 0: not known
  static int bucket(int64_t streams);
  static double nearest(const Seconds& seconds, int bucket);
  Seconds alone() const;
  void observe_alone(int bucket, double seconds);
  void observe_mixed(int bucket, int64_t prefill_tokens, double seconds);

  StepBudgetOptions options_;
  std::array<TypicalTime, kBuckets> measured_;  // steps that only decode
  Seconds before_{};                            // what was typical when prompts began to come in
  TypicalTime token_;                           // of a prompt, in a step without streams
  double mixed_chunk_ = 8;                      // beside streams
  int64_t mixed_steps_ = 0;                     // since streams were alone
  int64_t calm_steps_ = 0;                      // since the last prompt
};

}  // namespace fathom::engine
