#include "engine/step_budget.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace fathom::engine {
namespace {

constexpr int64_t kCalmSteps = 16;   // without a prompt, for the next one to be new
constexpr double kLeastExtra = 0.2;  // of a step, for a prompt
// Of what a step has for a prompt, for a layer: its second piece then still fits after a first one
// that took a little longer than usual.
constexpr double kLayerShare = 0.85;

}  // namespace

int StepBudget::bucket(int64_t streams) {
  return std::min<int>(kBuckets - 1, std::bit_width(static_cast<uint64_t>(streams - 1)));
}

// Of the nearest number of streams that is known; 0 when none is.
double StepBudget::nearest(const Seconds& seconds, int bucket) {
  for (int distance = 0; distance < kBuckets; ++distance) {
    for (int b : {bucket - distance, bucket + distance}) {
      if (b >= 0 && b < kBuckets && seconds[b] > 0) return seconds[b];
    }
  }
  return 0;
}

StepBudget::Seconds StepBudget::typical() const {
  Seconds seconds;
  std::ranges::transform(measured_, seconds.begin(), &TypicalTime::seconds);
  return seconds;
}

int64_t StepBudget::prefill_tokens(int64_t streams) const {
  double chunk = static_cast<double>(options_.max_prefill_tokens);
  if (streams > 0) {
    chunk = chunk_;
  } else if (token_.count() > 0) {
    chunk = options_.max_seconds / token_.seconds();
  }
  return std::clamp<int64_t>(static_cast<int64_t>(chunk), 1, options_.max_prefill_tokens);
}

double StepBudget::step_seconds(int64_t streams) const {
  if (streams == 0) return options_.max_seconds;
  const double now = nearest(typical(), bucket(streams));
  const double before = std::min(nearest(before_, bucket(streams)), now);
  return std::max(options_.max_slowdown * before, (1 + kLeastExtra) * now);
}

void StepBudget::observe_step(int64_t streams, bool beside_prompts, double seconds) {
  if (beside_prompts && calm_steps_ >= kCalmSteps) before_ = typical();
  calm_steps_ = beside_prompts ? 0 : calm_steps_ + 1;
  TypicalTime& measured = measured_[bucket(streams)];
  measured.add(seconds);
  if (double& before = before_[bucket(streams)]; before == 0) before = measured.seconds();
}

void StepBudget::observe_pass(int64_t streams, int64_t tokens, double layer_seconds,
                              double seconds) {
  const auto count = static_cast<double>(tokens);
  if (streams == 0) return token_.add(seconds / count);
  const double allowed = step_seconds(streams) - nearest(typical(), bucket(streams));
  if (allowed == 0 || layer_seconds == 0) return;
  const double ratio = kLayerShare * allowed / layer_seconds;
  if (ratio < 1) {
    chunk_ = count * std::max(ratio, 0.5);
  } else if (count >= std::floor(chunk_)) {
    chunk_ *= std::min(ratio, 2.0);
  }
  chunk_ = std::clamp(chunk_, 1.0, static_cast<double>(options_.max_prefill_tokens));
}

}  // namespace fathom::engine
