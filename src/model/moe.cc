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

// The chosen experts' groups, in ascending order of experts, rows ascending within.
void group_by_expert(const MoeWeights& w, Mat<const int32_t> ids, Mat<const float> weights,
                     Pass::MoeScratch& scratch, std::vector<MlpGroup>& groups) {
  const auto slots = static_cast<size_t>(ids.rows * ids.cols);
  std::vector<size_t> ends(w.experts.size() + 1, 0);
  for (size_t i = 0; i < slots; ++i) ++ends[static_cast<size_t>(ids.data[i]) + 1];
  for (size_t e = 1; e < ends.size(); ++e) ends[e] += ends[e - 1];
  std::vector<size_t> next(ends.begin(), ends.end() - 1);
  scratch.slot_rows.resize(slots);
  float* factors = scratch.slot_weights.get(1, static_cast<int64_t>(slots)).data;
  for (int64_t r = 0; r < ids.rows; ++r) {
    for (int64_t k = 0; k < ids.cols; ++k) {
      const size_t slot = next[static_cast<size_t>(ids.row(r)[k])]++;
      scratch.slot_rows[slot] = static_cast<int32_t>(r);
      factors[slot] = weights.row(r)[k];
    }
  }
  for (size_t e = 0; e < w.experts.size(); ++e) {
    const size_t count = ends[e + 1] - ends[e];
    if (count == 0) continue;
    groups.push_back({&w.experts[e], std::span(scratch.slot_rows).subspan(ends[e], count),
                      std::span<const float>(factors + ends[e], count)});
  }
}

}  // namespace

void moe(Pass& pass, const MoeWeights& w, int64_t layer, Mat<const float> x, Mat<float> y,
         ForwardObserver* observer) {
  auto& scratch = pass.moe;
  const GateParams params = gate_params(pass.config());
  const Activations in = pass.prepare(scratch.in, x);

  // The router takes unrounded activations: a rounding there changes which experts run.
  Activations unrounded;
  unrounded.f32 = x;
  const Mat<float> scores = scratch.scores.get(x.rows, params.experts);
  const Mat<float> weights = scratch.weights.get(x.rows, params.chosen);
  scratch.ids.resize(static_cast<size_t>(x.rows * params.chosen));
  const Mat<int32_t> ids(scratch.ids.data(), x.rows, params.chosen);
  {
    const OpTimer timer(pass.profile, Op::kRouter);
    pass.linear(unrounded, w.router, scores);
    // An exponential and the choice take as long as going over 16 values.
    pass.for_rows(x.rows, 16 * params.experts, [&](int64_t r, int) {
      gate_scores(params, scores.row_span(r));
      gate_choose(params, scores.row_span(r), w.bias, ids.row_span(r), weights.row_span(r));
    });
  }
  if (observer) observer->on_routing(layer, ids, weights, scores);

  const OpTimer timer(pass.profile, Op::kExperts);
  std::vector<MlpGroup> groups;
  if (w.shared) groups.push_back({&*w.shared, {}, {}});
  group_by_expert(w, ids, weights, scratch, groups);
  mlps(pass, groups, in, y);
}

}  // namespace fathom
