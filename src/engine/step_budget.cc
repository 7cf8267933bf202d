#include "engine/step_budget.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace fathom::engine {
namespace {

constexpr int64_t kMixedSteps = 32;  // before streams are measured alone again
constexpr int64_t kCalmSteps = 16;   // without a prompt, for the next one to be new
constexpr double kLeastExtra = 0.2;  // of a step, for a prompt

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

StepBudget::Seconds StepBudget::alone() const {
  Seconds seconds;
  std::ranges::transform(measured_, seconds.begin(), &TypicalTime::seconds);
  return seconds;
}

int64_t StepBudget::prefill_tokens(int64_t streams) const {
  double chunk = static_cast<double>(options_.max_prefill_tokens);
  if (streams > 0) {
    if (mixed_steps_ >= kMixedSteps) return 0;
    chunk = mixed_chunk_;
  } else if (token_.count() > 0) {
    chunk = options_.max_seconds / token_.seconds();
  }
  return std::clamp<int64_t>(static_cast<int64_t>(chunk), 1, options_.max_prefill_tokens);
}

void StepBudget::observe(int64_t streams, int64_t prefill_tokens, double seconds) {
  if (streams > 0 && prefill_tokens > 0) {
    observe_mixed(bucket(streams), prefill_tokens, seconds);
  } else if (streams > 0) {
    observe_alone(bucket(streams), seconds);
  } else if (prefill_tokens > 0) {
    token_.add(seconds / static_cast<double>(prefill_tokens));
  }
}

void StepBudget::observe_alone(int bucket, double seconds) {
  mixed_steps_ = 0;
  ++calm_steps_;
  measured_[bucket].add(seconds);
  if (before_[bucket] == 0) before_[bucket] = measured_[bucket].seconds();
}

void StepBudget::observe_mixed(int bucket, int64_t prefill_tokens, double seconds) {
  const Seconds typical = alone();
  if (calm_steps_ >= kCalmSteps) before_ = typical;
  calm_steps_ = 0;
  ++mixed_steps_;
  const double now = nearest(typical, bucket);
  if (now == 0) return;
  const double before = std::min(nearest(before_, bucket), now);
  const double allowed = std::max(options_.max_slowdown * before - now, kLeastExtra * now);
  const double extra = std::max(seconds - now, 1e-9);
  const auto tokens = static_cast<double>(prefill_tokens);
  if (extra > allowed) {
    mixed_chunk_ = tokens * std::max(allowed / extra, 0.5);
  } else if (tokens >= std::floor(mixed_chunk_)) {
    mixed_chunk_ *= std::min(allowed / extra, 1.25);
  }
  mixed_chunk_ = std::clamp(mixed_chunk_, 1.0, static_cast<double>(options_.max_prefill_tokens));
}

}  // namespace fathom::engine
