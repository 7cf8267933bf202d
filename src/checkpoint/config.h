// The model's config.json, as published with DeepSeek-V3 and under its names.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fathom {

/// YaRN (rope_scaling of type "yarn"). The frequencies' formulas: kernels/rope.h.
struct YarnConfig {
  double factor = 40;
  double beta_fast = 32;
  double beta_slow = 1;
  double mscale = 1;
  double mscale_all_dim = 1;
  int64_t original_max_position_embeddings = 4096;
};

enum class ScoringFunc { kSigmoid, kSoftmax };

/// How experts are chosen. kNoauxTc: group score is the sum of the two best biased scores;
/// kGroupLimitedGreedy: the best score of the group; kGreedy: no groups.
enum class TopkMethod { kNoauxTc, kGroupLimitedGreedy, kGreedy };

/// Everything the forward pass needs to know. Parsed values are within sane bounds and consistent
/// with each other; a key whose value would change the result and is not known is refused by name.
struct ModelConfig {
  std::string architecture;  // "DeepseekV3ForCausalLM"
  std::string model_type;
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t intermediate_size = 0;      // of a dense layer's MLP
  int64_t moe_intermediate_size = 0;  // of one expert
  int64_t num_hidden_layers = 0;
  int64_t num_nextn_predict_layers = 0;
  int64_t num_attention_heads = 0;
  int64_t n_routed_experts = 0;  // 0: every layer is dense
  int64_t n_shared_experts = 0;
  int64_t num_experts_per_tok = 0;
  int64_t first_k_dense_replace = 0;
  int64_t moe_layer_freq = 1;
  int64_t n_group = 1;
  int64_t topk_group = 1;
  TopkMethod topk_method = TopkMethod::kNoauxTc;
  ScoringFunc scoring_func = ScoringFunc::kSigmoid;
  bool norm_topk_prob = true;
  double routed_scaling_factor = 1.0;
  int64_t q_lora_rank = 0;  // 0: queries come from q_proj alone
  int64_t kv_lora_rank = 0;
  int64_t qk_nope_head_dim = 0;
  int64_t qk_rope_head_dim = 0;
  int64_t v_head_dim = 0;
  double rms_norm_eps = 1e-6;
  double rope_theta = 10000;
  std::optional<YarnConfig> yarn;
  int64_t max_position_embeddings = 0;
  bool tie_word_embeddings = false;
  bool fp8 = false;  // quantization_config present: fp8 e4m3, 128x128 blocks, dynamic activations
  int64_t bos_token_id = 0;
  int64_t eos_token_id = 1;

  int64_t qk_head_dim() const { return qk_nope_head_dim + qk_rope_head_dim; }
  /// What one token leaves in a layer's cache: the latent and the shared rotary key.
  int64_t kv_latent_dim() const { return kv_lora_rank + qk_rope_head_dim; }
  /// Layer indices at or past num_hidden_layers are the MTP layers; they follow the same rule.
  bool is_moe_layer(int64_t layer) const {
    return n_routed_experts > 0 && layer >= first_k_dense_replace && layer % moe_layer_freq == 0;
  }

  /// `text` is config.json's content; `origin` names it in errors.
  /// Throws Error: kBadInput for what is malformed or out of range, kUnsupported for what this
  /// program does not implement, each with the key, the value found and what was expected.
  static ModelConfig parse(std::string_view text, const std::string& origin);

  /// Reads DIR/config.json.
  static ModelConfig load(const std::string& dir);

  /// The config.json of this model, in the published file's key names.
  std::string to_json() const;
};

}  // namespace fathom
