#include "engine/step_budget.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace fathom::engine {
namespace {

constexpr int64_t kMixedSteps = 32;  // before streams are measured alone again

}  // namespace

int StepBudget::bucket(int64_t streams) {
  return std::min<int>(kBuckets - 1, std::bit_width(static_cast<uint64_t>(streams - 1)));
}

// Of the nearest number of streams that was seen; 0 when none was.
double StepBudget::decode_seconds(int64_t streams) const {
  const int wanted = bucket(streams);
  for (int distance = 0; distance < kBuckets; ++distance) {
    for (int b : {wanted - distance, wanted + distance}) {
      if (b >= 0 && b < kBuckets && decode_[b].count() > 0) return decode_[b].seconds();
    }
  }
  return 0;
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
  if (streams == 0) {
    if (prefill_tokens > 0) token_.add(seconds / static_cast<double>(prefill_tokens));
    return;
  }
  mixed_steps_ = prefill_tokens > 0 ? mixed_steps_ + 1 : 0;
  if (prefill_tokens == 0) {
    decode_[bucket(streams)].add(seconds);
    return;
  }
  const double alone = decode_seconds(streams);
  if (alone == 0) return;
  const double allowed = (options_.max_slowdown - 1) * alone;
  const double extra = std::max(seconds - alone, 1e-9);
  if (extra > allowed) {
    mixed_chunk_ = static_cast<double>(prefill_tokens) * std::max(allowed / extra, 0.5);
  } else if (static_cast<double>(prefill_tokens) >= std::floor(mixed_chunk_)) {
    mixed_chunk_ *= std::min(allowed / extra, 1.25);
  }
  mixed_chunk_ = std::clamp(mixed_chunk_, 1.0, static_cast<double>(options_.max_prefill_tokens));
}

}  // namespace fathom::engine
