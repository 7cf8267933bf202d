#include "engine/sampler.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/check.h"
#include "base/error.h"
#include "base/rng.h"

namespace fathom::engine {
namespace {

// Below it the largest logit wins whatever the noise.
constexpr float kGreedyTemperature = 1e-5f;

NoiseKey noise_key(uint64_t seed, int64_t index) {
  const uint64_t bits = splitmix64(seed ^ splitmix64(static_cast<uint64_t>(index)));
  return {static_cast<uint32_t>(bits), static_cast<uint32_t>(bits >> 32)};
}

struct LargerFirst {
  std::span<const float> row;
  bool operator()(int32_t a, int32_t b) const { return row[a] != row[b] ? row[a] > row[b] : a < b; }
};

Cut tighter(const Cut& a, const Cut& b) {
  if (a.floor != b.floor) return a.floor > b.floor ? a : b;
  return a.last_id_at_floor < b.last_id_at_floor ? a : b;
}

}  // namespace

std::optional<DrawChoice> DrawChoice::of(const DrawContext& context) {
  const SamplingParams& params = *context.params;
  const bool cut = params.top_k > 0 || params.top_p < 1 || params.min_p > 0;
  const bool edited = params.frequency_penalty != 0 || params.presence_penalty != 0 ||
                      !params.logit_bias.empty() || !context.mask.empty();
  const bool reported = context.want_logprobs && params.top_logprobs >= 0;
  if (edited || reported || (cut && params.temperature >= kGreedyTemperature)) return {};
  return DrawChoice(params.temperature, context.seed, context.index);
}

void DrawChoice::choose(int64_t row, std::span<const float> estimate, std::span<const float> margin,
                        std::vector<int32_t>& ids) const {
  if (temperature_ < kGreedyTemperature) return select_peaks(estimate, margin, ids);
  select_draws(estimate, margin, 1.0f / temperature_, noise_key(seed_, index_ + row), ids);
}

Sampler::Sampler(int64_t vocab_size) : vocab_size_(vocab_size), row_(vocab_size) {}

GeneratedToken Sampler::sample(std::span<const float> logits, const DrawContext& context) {
  FATHOM_CHECK(static_cast<int64_t>(logits.size()) == vocab_size_);
  const SamplingParams& params = *context.params;
  const std::span<const float> row = edited(logits, context);
  const Peak peak = find_peak(row);
  if (peak.id < 0) {
    fail(ErrorKind::kBadInput, "token {}: {}", context.index,
         context.mask.empty() ? "no logit is finite" : "the constraint allows no id");
  }
  if (!std::isfinite(peak.value)) {
    fail(ErrorKind::kBadInput, "token {}: the logit of id {} is {}", context.index, peak.id,
         peak.value);
  }
  GeneratedToken token;
  if (params.temperature < kGreedyTemperature) {
    token.id = peak.id;
  } else {
    token.id = draw(row, peak, 1.0f / params.temperature, cut_tail(row, peak, params),
                    noise_key(context.seed, context.index));
  }
  if (context.want_logprobs && params.top_logprobs >= 0) {
    add_logprobs(row, peak, params.top_logprobs, token);
  }
  return token;
}

// The logits themselves where nothing changes them, else a changed copy.
std::span<const float> Sampler::edited(std::span<const float> logits, const DrawContext& context) {
  const SamplingParams& params = *context.params;
  const bool penalties = (params.frequency_penalty != 0 || params.presence_penalty != 0) &&
                         context.generated != nullptr && !context.generated->empty();
  if (!penalties && params.logit_bias.empty() && context.mask.empty()) return logits;
  std::ranges::copy(logits, row_.begin());
  for (const auto& [id, bias] : params.logit_bias) row_[id] += bias;
  if (penalties) {
    for (const auto& [id, count] : *context.generated) {
      row_[id] -= params.frequency_penalty * static_cast<float>(count) + params.presence_penalty;
    }
  }
  if (!context.mask.empty()) apply_mask(row_, context.mask);
  return row_;
}

Cut Sampler::cut_tail(std::span<const float> row, Peak peak, const SamplingParams& params) {
  const float scale = 1.0f / params.temperature;
  Cut cut;
  if (params.top_k > 0 && params.top_k < vocab_size_) cut = cut_top_k(row, params.top_k);
  if (params.top_p < 1) cut = cut_top_p(row, peak, scale, params.top_p, cut);
  if (params.min_p > 0) {
    Cut likely;
    likely.floor = std::min(peak.value + params.temperature * std::log(params.min_p), peak.value);
    cut = tighter(cut, likely);
  }
  return cut;
}

Cut Sampler::cut_top_k(std::span<const float> row, int64_t k) {
  ids_.clear();
  select_at_least(row, bound_of_largest(row, k, maxima_), ids_);
  if (static_cast<int64_t>(ids_.size()) < k) return {};  // NaNs
  std::ranges::nth_element(ids_, ids_.begin() + (k - 1), LargerFirst{row});
  return {row[ids_[k - 1]], ids_[k - 1]};
}

// The smallest set of the most likely ids whose share of what `within` keeps reaches top_p.
Cut Sampler::cut_top_p(std::span<const float> row, Peak peak, float scale, double top_p,
                       const Cut& within) {
  terms_.resize(row.size());
  double total = sum_exp(row, peak.value, scale, terms_);
  ids_.clear();
  if (within.floor > -std::numeric_limits<float>::infinity()) {
    select_at_least(row, within.floor, ids_);
    std::erase_if(ids_, [&](int32_t id) { return !within.keeps(row[id], id); });
    total = 0;
    for (int32_t id : ids_) total += terms_[id];
  } else {
    // All ids of a probability below this together have less than 1 - top_p.
    const double least = (1 - top_p) * total / static_cast<double>(row.size());
    const double z = std::log(std::max(least, 1e-35)) - 1e-3;
    select_at_least(row, peak.value + static_cast<float>(z / scale), ids_);
  }
  if (ids_.empty()) return {peak.value, peak.id};

  // Shares out the candidates over buckets of falling logits, finds the one in which top_p is
  // reached, and puts only that one in order.
  constexpr size_t kBuckets = 1024;
  float lowest = peak.value;
  for (int32_t id : ids_) lowest = std::min(lowest, row[id]);
  const float width = (kBuckets - 1) / std::max(peak.value - lowest, 1e-30f);
  const auto bucket_of = [&](int32_t id) {
    return std::min(kBuckets - 1, static_cast<size_t>((peak.value - row[id]) * width));
  };
  std::array<double, kBuckets> sums{};
  for (int32_t id : ids_) sums[bucket_of(id)] += terms_[id];
  const double wanted = top_p * total;
  double reached = 0;
  size_t bucket = 0;
  while (bucket + 1 < kBuckets && reached + sums[bucket] < wanted) reached += sums[bucket++];

  std::erase_if(ids_, [&](int32_t id) { return bucket_of(id) != bucket; });
  if (ids_.empty()) return within;  // rounding put the rest below the last candidate
  std::ranges::sort(ids_, LargerFirst{row});
  size_t last = 0;
  while (last + 1 < ids_.size() && (reached += terms_[ids_[last]]) < wanted) ++last;
  return {row[ids_[last]], ids_[last]};
}

void Sampler::add_logprobs(std::span<const float> row, Peak peak, int count,
                           GeneratedToken& token) {
  const double log_sum = peak.value + std::log(sum_exp(row, peak.value, 1.0f));
  const auto logprob = [&](int32_t id) { return static_cast<float>(row[id] - log_sum); };
  token.logprob = logprob(token.id);
  if (count <= 0) return;
  const auto wanted = static_cast<size_t>(std::min<int64_t>(count, vocab_size_));
  ids_.clear();
  select_at_least(row, bound_of_largest(row, static_cast<int64_t>(wanted), maxima_), ids_);
  std::erase_if(ids_, [&](int32_t id) { return !std::isfinite(row[id]); });
  const size_t kept = std::min(wanted, ids_.size());
  std::ranges::partial_sort(ids_, ids_.begin() + static_cast<std::ptrdiff_t>(kept),
                            LargerFirst{row});
  for (size_t i = 0; i < kept; ++i) token.top.push_back({ids_[i], logprob(ids_[i])});
}

}  // namespace fathom::engine
