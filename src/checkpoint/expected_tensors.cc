#include "checkpoint/expected_tensors.h"

#include <fmt/format.h>

#include <utility>

#include "tensor/mat_view.h"

namespace fathom {
namespace {

/// Lists the tensors in the published order.
class Lister {
 public:
  explicit Lister(const ModelConfig& config) : config_(config) {}

  std::vector<ExpectedTensor> list() && {
    const int64_t hidden = config_.hidden_size, vocab = config_.vocab_size;
    add("model.embed_tokens.weight", {vocab, hidden}, TensorRole::kEmbedding);
    for (int64_t i = 0; i < config_.num_hidden_layers; ++i) layer(i);
    layer_ = -1;
    add("model.norm.weight", {hidden}, TensorRole::kNorm);
    add("lm_head.weight", {vocab, hidden}, TensorRole::kHead);
    list_.back().optional = config_.tie_word_embeddings;
    for (int64_t i = 0; i < config_.num_nextn_predict_layers; ++i) {
      mtp_ = true;
      mtp_layer(config_.num_hidden_layers + i);
    }
    return std::move(list_);
  }

 private:
  void add(std::string name, std::vector<int64_t> shape, TensorRole role) {
    list_.push_back({.name = std::move(name),
                     .shape = std::move(shape),
                     .role = role,
                     .layer = layer_,
                     .mtp = mtp_});
  }
  void add_to_layer(std::string_view name, std::vector<int64_t> shape, TensorRole role) {
    add(fmt::format("model.layers.{}.{}", layer_, name), std::move(shape), role);
  }

  void layer(int64_t index) {
    layer_ = index;
    add_to_layer("input_layernorm.weight", {config_.hidden_size}, TensorRole::kNorm);
    attention();
    add_to_layer("post_attention_layernorm.weight", {config_.hidden_size}, TensorRole::kNorm);
    if (config_.is_moe_layer(index)) {
      experts();
    } else {
      mlp("mlp", config_.intermediate_size, TensorRole::kDense);
    }
  }

  void attention() {
    const ModelConfig& c = config_;
    const int64_t heads = c.num_attention_heads;
    constexpr TensorRole kRole = TensorRole::kAttention;
    if (c.q_lora_rank == 0) {
      add_to_layer("self_attn.q_proj.weight", {heads * c.qk_head_dim(), c.hidden_size}, kRole);
    } else {
      add_to_layer("self_attn.q_a_proj.weight", {c.q_lora_rank, c.hidden_size}, kRole);
      add_to_layer("self_attn.q_a_layernorm.weight", {c.q_lora_rank}, TensorRole::kNorm);
      add_to_layer("self_attn.q_b_proj.weight", {heads * c.qk_head_dim(), c.q_lora_rank}, kRole);
    }
    add_to_layer("self_attn.kv_a_proj_with_mqa.weight", {c.kv_latent_dim(), c.hidden_size}, kRole);
    add_to_layer("self_attn.kv_a_layernorm.weight", {c.kv_lora_rank}, TensorRole::kNorm);
    add_to_layer("self_attn.kv_b_proj.weight",
                 {heads * (c.qk_nope_head_dim + c.v_head_dim), c.kv_lora_rank}, kRole);
    add_to_layer("self_attn.o_proj.weight", {c.hidden_size, heads * c.v_head_dim}, kRole);
  }

  void mlp(const std::string& prefix, int64_t width, TensorRole role) {
    add_to_layer(prefix + ".gate_proj.weight", {width, config_.hidden_size}, role);
    add_to_layer(prefix + ".up_proj.weight", {width, config_.hidden_size}, role);
    add_to_layer(prefix + ".down_proj.weight", {config_.hidden_size, width}, role);
  }

  void experts() {
    const ModelConfig& c = config_;
    add_to_layer("mlp.gate.weight", {c.n_routed_experts, c.hidden_size}, TensorRole::kGate);
    if (c.topk_method == TopkMethod::kNoauxTc) {
      add_to_layer("mlp.gate.e_score_correction_bias", {c.n_routed_experts}, TensorRole::kGateBias);
    }
    for (int64_t expert = 0; expert < c.n_routed_experts; ++expert) {
      mlp(fmt::format("mlp.experts.{}", expert), c.moe_intermediate_size, TensorRole::kExpert);
    }
    if (c.n_shared_experts > 0) {
      mlp("mlp.shared_experts", c.moe_intermediate_size * c.n_shared_experts,
          TensorRole::kSharedExpert);
    }
  }

  void mtp_layer(int64_t index) {
    const int64_t hidden = config_.hidden_size, vocab = config_.vocab_size;
    layer_ = index;
    add_to_layer("embed_tokens.weight", {vocab, hidden}, TensorRole::kEmbedding);
    add_to_layer("enorm.weight", {hidden}, TensorRole::kNorm);
    add_to_layer("hnorm.weight", {hidden}, TensorRole::kNorm);
    add_to_layer("eh_proj.weight", {hidden, 2 * hidden}, TensorRole::kMtpProjection);
    layer(index);
    add_to_layer("shared_head.norm.weight", {hidden}, TensorRole::kNorm);
    add_to_layer("shared_head.head.weight", {vocab, hidden}, TensorRole::kHead);
    list_.back().optional = config_.tie_word_embeddings;
  }

  const ModelConfig& config_;
  std::vector<ExpectedTensor> list_;
  int64_t layer_ = -1;
  bool mtp_ = false;
};

}  // namespace

bool ExpectedTensor::quantized_as_published() const {
  return role == TensorRole::kAttention || role == TensorRole::kDense ||
         role == TensorRole::kExpert || role == TensorRole::kSharedExpert;
}

bool ExpectedTensor::allows(DType dtype) const {
  if (dtype == DType::kF32 || dtype == DType::kBF16) return true;
  return dtype == DType::kF8E4M3 && quantized_as_published();
}

std::vector<int64_t> scale_shape(std::span<const int64_t> shape) {
  std::vector<int64_t> blocks;
  for (const int64_t dim : shape) blocks.push_back(ceil_div(dim, kScaleBlock));
  return blocks;
}

std::vector<ExpectedTensor> expected_tensors(const ModelConfig& config) {
  return Lister(config).list();
}

}  // namespace fathom
