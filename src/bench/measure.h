// A model's speed beside the machine's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bench/ceilings.h"
#include "bench/step_cost.h"
#include "model/transformer.h"

namespace fathom::bench {

/// What to run: `sequences` of them, each with `tokens` new ones at position `context`.
struct Workload {
  std::string name;
  int64_t sequences = 1;
  int64_t tokens = 1;
  int64_t context = 0;
  bool all_hidden = true;               ///< as StepSequence has it
  const LogitChoice* choice = nullptr;  ///< the same
};

struct Speed {
  Workload workload;
  int64_t steps = 0;
  double seconds = 0;                     ///< of all steps, by the ceilings' clock
  double wall_seconds = 0;                ///< the same by the wall's
  double cpu_seconds = 0;                 ///< of all threads meanwhile
  double roof_seconds = 0;                ///< of all steps, each at the ceilings measured beside it
  StepCost cost;                          ///< of a step, averaged
  double experts_read = 0;                ///< distinct, of a step, summed over its MoE layers
  CeilingRates ceilings;                  ///< averaged over the samples
  std::array<double, kOps> op_seconds{};  ///< of a step, averaged; kRest is what the others leave

  double step_seconds() const { return seconds / static_cast<double>(steps); }
  double tokens_per_second() const {
    return static_cast<double>(workload.sequences * workload.tokens) / step_seconds();
  }
  /// How much of the processors' time the threads got: below 1 others compute here too.
  double processor_share(int threads) const { return cpu_seconds / (wall_seconds * threads); }
  /// Of the roof's speed.
  double fraction() const { return roof_seconds / seconds; }
};

/// Runs steps for about `seconds`, a sample of the ceilings before and after every tenth of a
/// second of them (one step at least). Tokens are random; the cache before `context` holds
/// repetitions of one page, which take as long as any other. Throws what the model's forward
/// throws.
Speed measure(Transformer& model, Ceilings& ceilings, const Workload& workload, double seconds);

}  // namespace fathom::bench
