#include "train/cost.h"

namespace fathom::train {

double uses_per_token(const ModelConfig& config, const Param& param) {
  if (param.kind == ParamKind::kNorm || param.name == "model.embed_tokens.weight") return 0;
  if (param.name == "lm_head.weight") return config.num_nextn_predict_layers > 0 ? 2 : 1;
  if (!param.routed) return 1;
  return static_cast<double>(config.num_experts_per_tok) /
         static_cast<double>(config.n_routed_experts);
}

double flops_per_token(const ModelConfig& c, const Layout& whole, int64_t sequence) {
  double linear = 0;
  for (const Param& p : whole.params)
    linear += uses_per_token(c, p) * static_cast<double>(p.size());
  // Causal attention: half of the keys on average; the backward pass has five products for the
  // forward pass' two (one of them the scores again).
  const double layers = static_cast<double>(c.num_hidden_layers + c.num_nextn_predict_layers);
  const double keys = static_cast<double>(sequence) / 2;
  const double head = static_cast<double>(c.qk_head_dim() + c.v_head_dim);
  return 6 * linear + 2 * layers * static_cast<double>(c.num_attention_heads) * keys * head * 3;
}

}  // namespace fathom::train
