#include <algorithm>
#include <vector>

#include "kernels/gate.h"
#include "model/layers.h"

namespace fathom {
namespace {

GateParams gate_params(const ModelConfig& c) {
  GateParams params;
  params.scoring =
      c.scoring_func == ScoringFunc::kSigmoid ? GateScoring::kSigmoid : GateScoring::kSoftmax;
  switch (c.topk_method) {
    case TopkMethod::kNoauxTc:
      params.group_score = GroupScore::kBestTwo;
      break;
    case TopkMethod::kGroupLimitedGreedy:
      params.group_score = GroupScore::kBest;
      break;
    case TopkMethod::kGreedy:
      params.group_score = GroupScore::kNone;
      break;
  }
  params.experts = c.n_routed_experts;
  params.groups = c.n_group;
  params.groups_kept = c.topk_group;
  params.chosen = c.num_experts_per_tok;
  params.normalize = c.norm_topk_prob;
  params.scaling = static_cast<float>(c.routed_scaling_factor);
  return params;
}

// For each expert, the slots (row * chosen + rank) that go to it, in order.
std::vector<std::vector<int32_t>> group_by_expert(std::span<const int32_t> ids, int64_t experts) {
  std::vector<std::vector<int32_t>> slots(static_cast<size_t>(experts));
  for (size_t slot = 0; slot < ids.size(); ++slot) {
    slots[static_cast<size_t>(ids[slot])].push_back(static_cast<int32_t>(slot));
  }
  return slots;
}

}  // namespace

void moe(Pass& pass, const MoeWeights& w, int64_t layer, Mat<const float> x, Mat<float> y,
         ForwardObserver* observer) {
  auto& scratch = pass.moe;
  const GateParams params = gate_params(pass.config());
  const int64_t chosen = params.chosen;

  // The router takes unrounded activations: a rounding there changes which experts run.
  const Mat<float> scores = scratch.scores.get(x.rows, params.experts);
  pass.linear(scratch.in.prepare(pass.kernels(), Numerics::kExact, x), w.router, scores);
  const Mat<float> weights = scratch.weights.get(x.rows, chosen);
  scratch.ids.resize(static_cast<size_t>(x.rows * chosen));
  const Mat<int32_t> ids(scratch.ids.data(), x.rows, chosen);
  for (int64_t r = 0; r < x.rows; ++r) {
    gate_scores(params, scores.row_span(r));
    gate_choose(params, scores.row_span(r), w.bias, ids.row_span(r), weights.row_span(r));
  }
  if (observer) observer->on_routing(layer, ids, weights, scores);

  // Each expert's weights are read once, for all of its rows.
  const Mat<float> slots = scratch.slots.get(x.rows * chosen, x.cols);
  const auto by_expert = group_by_expert(scratch.ids, params.experts);
  for (size_t e = 0; e < by_expert.size(); ++e) {
    const auto count = static_cast<int64_t>(by_expert[e].size());
    if (count == 0) continue;
    const Mat<float> gathered = scratch.gathered.get(count, x.cols);
    const Mat<float> out = scratch.expert_out.get(count, x.cols);
    for (int64_t i = 0; i < count; ++i) {
      std::copy_n(x.row(by_expert[e][static_cast<size_t>(i)] / chosen), x.cols, gathered.row(i));
    }
    mlp(pass, w.experts[e], gathered, out);
    for (int64_t i = 0; i < count; ++i) {
      std::copy_n(out.row(i), x.cols, slots.row(by_expert[e][static_cast<size_t>(i)]));
    }
  }

  // The sum runs in the order of the token's own choice, so its bits depend on the token alone.
  if (w.shared) {
    mlp(pass, *w.shared, x, y);
  } else {
    for (int64_t r = 0; r < x.rows; ++r) std::fill_n(y.row(r), x.cols, 0.0f);
  }
  for (int64_t r = 0; r < x.rows; ++r) {
    float* sum = y.row(r);
    for (int64_t k = 0; k < chosen; ++k) {
      const float* expert = slots.row(r * chosen + k);
      const float weight = weights.row(r)[k];
      for (int64_t i = 0; i < x.cols; ++i) sum[i] += weight * expert[i];
    }
  }
}

}  // namespace fathom
