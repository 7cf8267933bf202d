#include "kernels/gate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/check.h"

namespace fathom {
namespace {

// The indices of the `count` largest values, in descending order; among equals the lower index
// first.
void top_indices(std::span<const float> values, std::span<int32_t> best) {
  size_t filled = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    size_t place = filled;
    while (place > 0 && values[i] > values[static_cast<size_t>(best[place - 1])]) --place;
    if (place >= best.size()) continue;
    if (filled < best.size()) ++filled;
    std::copy_backward(best.begin() + static_cast<ptrdiff_t>(place),
                       best.begin() + static_cast<ptrdiff_t>(filled) - 1,
                       best.begin() + static_cast<ptrdiff_t>(filled));
    best[place] = static_cast<int32_t>(i);
  }
  // NaN compares false everywhere and keeps its place in the order of arrival.
  FATHOM_CHECK(filled == best.size());
}

float group_value(GroupScore how, std::span<const float> values) {
  float best = -std::numeric_limits<float>::infinity();
  float second = best;
  for (float v : values) {
    if (v > best) {
      second = best;
      best = v;
    } else if (v > second) {
      second = v;
    }
  }
  if (how == GroupScore::kBest || values.size() < 2) return best;
  return best + second;
}

}  // namespace

void gate_scores(const GateParams& params, std::span<float> logits) {
  if (params.scoring == GateScoring::kSigmoid) {
    for (float& x : logits) x = static_cast<float>(1.0 / (1.0 + std::exp(-static_cast<double>(x))));
    return;
  }
  const double top = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (float x : logits) sum += std::exp(static_cast<double>(x) - top);
  for (float& x : logits) x = static_cast<float>(std::exp(static_cast<double>(x) - top) / sum);
}

void gate_choose(const GateParams& params, std::span<const float> scores,
                 std::span<const float> bias, std::span<int32_t> ids, std::span<float> weights) {
  const auto experts = static_cast<size_t>(params.experts);
  FATHOM_CHECK(scores.size() == experts && ids.size() == static_cast<size_t>(params.chosen));
  std::vector<float> biased(scores.begin(), scores.end());
  if (!bias.empty()) {
    for (size_t e = 0; e < experts; ++e) biased[e] += bias[e];
  }
  if (params.group_score != GroupScore::kNone && params.groups > 1) {
    const size_t size = experts / static_cast<size_t>(params.groups);
    std::vector<float> value(static_cast<size_t>(params.groups));
    for (size_t g = 0; g < value.size(); ++g) {
      value[g] = group_value(params.group_score, std::span(biased).subspan(g * size, size));
    }
    std::vector<int32_t> kept(static_cast<size_t>(params.groups_kept));
    top_indices(value, kept);
    for (size_t g = 0; g < value.size(); ++g) {
      if (std::find(kept.begin(), kept.end(), static_cast<int32_t>(g)) != kept.end()) continue;
      std::fill_n(biased.begin() + static_cast<ptrdiff_t>(g * size), size,
                  -std::numeric_limits<float>::infinity());
    }
  }
  top_indices(biased, ids);

  float sum = 0;
  for (size_t i = 0; i < ids.size(); ++i) {
    weights[i] = scores[static_cast<size_t>(ids[i])];
    sum += weights[i];
  }
  // A lone expert keeps its own affinity, and the tiny term keeps a sum of zeros from dividing by
  // zero: both as the published modeling_deepseek.py.
  const float divisor = params.normalize && ids.size() > 1 ? sum + 1e-20f : 1.0f;
  for (float& w : weights) w = w / divisor * params.scaling;
}

}  // namespace fathom
