// The operations into which time, bytes and FLOPs of a forward pass are divided.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "base/seconds.h"

namespace fathom {

enum class Op {
  kQueriesAndLatent,  ///< down- and up-projections of queries, the latent's, and its cache write
  kAbsorb,            ///< queries through the key half of kv_b
  kAttend,            ///< scores, softmax and weighted sum over the latent cache
  kValues,            ///< latents through the value half of kv_b
  kAttentionOut,      ///< o_proj
  kMlp,               ///< a dense layer's
  kRouter,
  kExperts,  ///< the shared ones and the chosen ones
  kHead,
  kRest,  ///< embedding, norms, residual sums, roundings, and what lies between
  kCount,
};

inline constexpr size_t kOps = static_cast<size_t>(Op::kCount);

constexpr std::string_view op_name(Op op) {
  constexpr std::string_view kNames[kOps] = {
      "queries, latent", "absorb",  "attend", "values", "attention out", "mlp",
      "router",          "experts", "head",   "rest"};
  return kNames[static_cast<size_t>(op)];
}

/// Seconds of each operation by `clock`, added up over passes; kRest is left to the reader. One
/// thread, that of the pass, writes it.
struct OpProfile {
  clockid_t clock = CLOCK_MONOTONIC;
  std::array<double, kOps> seconds{};
};

/// Adds its lifetime to an operation's time; does nothing without a profile.
class OpTimer {
 public:
  OpTimer(OpProfile* profile, Op op) : profile_(profile), op_(op) {
    if (profile_) start_ = seconds_of(profile_->clock);
  }
  ~OpTimer() {
    if (!profile_) return;
    profile_->seconds[static_cast<size_t>(op_)] += seconds_of(profile_->clock) - start_;
  }
  OpTimer(const OpTimer&) = delete;
  OpTimer& operator=(const OpTimer&) = delete;

 private:
  OpProfile* profile_;
  Op op_;
  double start_ = 0;
};

}  // namespace fathom
