#include "train/layout.h"

#include <fmt/core.h>

#include "base/check.h"

namespace fathom::train {
namespace {

class Builder {
 public:
  Builder(const ModelConfig& config, Layout& layout) : c_(config), layout_(layout) {}

  void add(const std::string& name, int64_t rows, int64_t cols, ParamKind kind) {
    if (!elsewhere_) {
      layout_.params.push_back({name, rows, cols, layout_.size, kind, place_, routed_});
      layout_.size += rows * cols;
    }
    place_ += rows * cols;
  }
  void norm(const std::string& name, int64_t n) { add(name + ".weight", 1, n, ParamKind::kNorm); }
  void linear(const std::string& name, int64_t out, int64_t in) {
    add(name + ".weight", out, in, ParamKind::kLinear);
  }

  void attention(const std::string& p) {
    const int64_t heads = c_.num_attention_heads;
    if (c_.q_lora_rank > 0) {
      linear(p + "q_a_proj", c_.q_lora_rank, c_.hidden_size);
      norm(p + "q_a_layernorm", c_.q_lora_rank);
      linear(p + "q_b_proj", heads * c_.qk_head_dim(), c_.q_lora_rank);
    } else {
      linear(p + "q_proj", heads * c_.qk_head_dim(), c_.hidden_size);
    }
    linear(p + "kv_a_proj_with_mqa", c_.kv_latent_dim(), c_.hidden_size);
    norm(p + "kv_a_layernorm", c_.kv_lora_rank);
    linear(p + "kv_b_proj", heads * (c_.qk_nope_head_dim + c_.v_head_dim), c_.kv_lora_rank);
    linear(p + "o_proj", c_.hidden_size, heads * c_.v_head_dim);
  }

  void mlp(const std::string& p, int64_t width) {
    linear(p + "gate_proj", width, c_.hidden_size);
    linear(p + "up_proj", width, c_.hidden_size);
    linear(p + "down_proj", c_.hidden_size, width);
  }

  void layer(int64_t index) {
    const std::string p = layer_prefix(index);
    norm(p + "input_layernorm", c_.hidden_size);
    attention(p + "self_attn.");
    norm(p + "post_attention_layernorm", c_.hidden_size);
    if (!c_.is_moe_layer(index)) return mlp(p + "mlp.", c_.intermediate_size);
    layout_.moe_layers.push_back(index);
    add(p + "mlp.gate.weight", c_.n_routed_experts, c_.hidden_size, ParamKind::kPlain);
    routed_ = true;
    for (int64_t e = 0; e < c_.n_routed_experts; ++e) {
      elsewhere_ = e < layout_.first_expert || e >= layout_.first_expert + layout_.experts;
      mlp(fmt::format("{}mlp.experts.{}.", p, e), c_.moe_intermediate_size);
    }
    routed_ = elsewhere_ = false;
    if (c_.n_shared_experts > 0) {
      mlp(p + "mlp.shared_experts.", c_.n_shared_experts * c_.moe_intermediate_size);
    }
  }

 private:
  const ModelConfig& c_;
  Layout& layout_;
  int64_t place_ = 0;
  bool routed_ = false, elsewhere_ = false;
};

}  // namespace

std::string layer_prefix(int64_t layer) { return fmt::format("model.layers.{}.", layer); }

Layout::Layout(const ModelConfig& config, ExpertShare share)
    : first_expert(config.n_routed_experts / share.of * share.rank),
      experts(config.n_routed_experts / share.of) {
  FATHOM_CHECK(config.n_routed_experts % share.of == 0);
  Builder build(config, *this);
  build.add("model.embed_tokens.weight", config.vocab_size, config.hidden_size, ParamKind::kPlain);
  for (int64_t i = 0; i < config.num_hidden_layers; ++i) build.layer(i);
  build.norm("model.norm", config.hidden_size);
  build.add("lm_head.weight", config.vocab_size, config.hidden_size, ParamKind::kPlain);
  if (config.num_nextn_predict_layers > 0) {
    const std::string p = layer_prefix(config.num_hidden_layers);
    build.norm(p + "enorm", config.hidden_size);
    build.norm(p + "hnorm", config.hidden_size);
    build.add(p + "eh_proj.weight", config.hidden_size, 2 * config.hidden_size, ParamKind::kPlain);
    build.layer(config.num_hidden_layers);
    build.norm(p + "shared_head.norm", config.hidden_size);
  }
}

int64_t Layout::offset(const std::string& name) const {
  for (const Param& p : params) {
    if (p.name == name) return p.offset;
  }
  FATHOM_CHECK(!"a parameter of that name");
  return 0;
}

}  // namespace fathom::train
