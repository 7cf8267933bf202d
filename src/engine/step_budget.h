// How much of a prompt a step may take in while others wait for their next token.
#pragma once

#include <array>
#include <cstdint>

#include "engine/typical_time.h"

namespace fathom::engine {

struct StepBudgetOptions {
  int64_t max_prefill_tokens = 512;  ///< in a pass
  double max_slowdown = 1.9;         ///< of streams beside a prompt, against their pace before it
  double max_seconds = 1.0;          ///< of a pass without streams, and of a step, to hear cancel()
};

/// Learns from what was measured. A prompt's pass goes on by pieces after each step of the streams,
/// until that step has taken as long as is allowed; so what a layer costs decides how many tokens
/// the pass has. That cost is not linear (few tokens read experts of their own, many share them),
/// so their number is controlled rather than computed. The slowdown is held against the streams'
/// pace before prompts began to come in, so that they do not lose twice by growing meanwhile; a
/// prompt keeps a sixth of the time, however slow they have become.
class StepBudget {
 public:
  explicit StepBudget(StepBudgetOptions options) : options_(options) {}

  /// Prompt tokens for a pass that begins beside `streams` that decode.
  int64_t prefill_tokens(int64_t streams) const;
  /// How long a step of theirs may take with pieces of a pass in it; 0 where that is not known.
  double step_seconds(int64_t streams) const;

  /// The streams' own part of a step took `seconds`.
  void observe_step(int64_t streams, bool beside_prompts, double seconds);
  /// A pass over so many prompt tokens has ended: what a layer took, and all.
  void observe_pass(int64_t streams, int64_t tokens, double layer_seconds, double seconds);

 private:
  static constexpr int kBuckets = 8;
  using Seconds = std::array<double, kBuckets>;  // by number of streams; 0: not known
  static int bucket(int64_t streams);
  static double nearest(const Seconds& seconds, int bucket);
  Seconds typical() const;

  StepBudgetOptions options_;
  std::array<TypicalTime, kBuckets> measured_;  // the streams' part of steps
  Seconds before_{};                            // what was typical when prompts began to come in
  TypicalTime token_;                           // of a prompt, in a pass without streams
  double chunk_ = 8;                            // tokens of a pass beside streams
  int64_t calm_steps_ = 0;                      // since the last prompt
};

}  // namespace fathom::engine
