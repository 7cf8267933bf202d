// Which experts a token goes to (technical report, section 2.1.2; DeepSeek-V2's report for
// softmax).
#pragma once

#include <cstdint>
#include <span>

namespace fathom {

enum class GateScoring { kSigmoid, kSoftmax };
enum class GroupScore { kNone, kBest, kBestTwo };  ///< how a group of experts is ranked

struct GateParams {
  GateScoring scoring = GateScoring::kSigmoid;
  GroupScore group_score = GroupScore::kBestTwo;
  int64_t experts = 0;
  int64_t groups = 1;
  int64_t groups_kept = 1;
  int64_t chosen = 0;
  bool normalize = true;
  float scaling = 1;
};

/// From router logits to affinities, in place.
void gate_scores(const GateParams& params, std::span<float> logits);

/// Chooses `chosen` experts by score + bias within the best groups; among equals the lower index.
/// ids come in descending biased score. weights are the unbiased scores of the chosen, normalized
/// if asked, times `scaling`. `bias` may be empty.
void gate_choose(const GateParams& params, std::span<const float> scores,
                 std::span<const float> bias, std::span<int32_t> ids, std::span<float> weights);

}  // namespace fathom
