// The operations into which time, bytes and FLOPs of a forward pass are divided.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <string_view>

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

/// Wall-clock seconds of each operation, added up over passes; kRest is left to the reader. One
/// thread, that of the pass, writes it.
struct OpProfile {
  std::array<double, kOps> seconds{};
};

/// Adds its lifetime to an operation's time; does nothing without a profile.
class OpTimer {
 public:
  OpTimer(OpProfile* profile, Op op) : profile_(profile), op_(op) {
    if (profile_) start_ = Clock::now();
  }
  ~OpTimer() {
    if (!profile_) return;
    profile_->seconds[static_cast<size_t>(op_)] +=
        std::chrono::duration<double>(Clock::now() - start_).count();
  }
  OpTimer(const OpTimer&) = delete;
  OpTimer& operator=(const OpTimer&) = delete;

 private:
  using Clock = std::chrono::steady_clock;
  OpProfile* profile_;
  Op op_;
  Clock::time_point start_{};
};

}  // namespace fathom
