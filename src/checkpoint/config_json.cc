#include <nlohmann/json.hpp>

#include "base/check.h"
#include "checkpoint/config.h"

namespace fathom {
namespace {

using Json = nlohmann::ordered_json;

const char* name_of(ScoringFunc function) {
  return function == ScoringFunc::kSigmoid ? "sigmoid" : "softmax";
}

const char* name_of(TopkMethod method) {
  switch (method) {
    case TopkMethod::kNoauxTc:
      return "noaux_tc";
    case TopkMethod::kGroupLimitedGreedy:
      return "group_limited_greedy";
    case TopkMethod::kGreedy:
      return "greedy";
  }
  FATHOM_CHECK(!"a topk_method without a name");
}

Json yarn_json(const YarnConfig& yarn) {
  return {{"type", "yarn"},
          {"factor", yarn.factor},
          {"beta_fast", yarn.beta_fast},
          {"beta_slow", yarn.beta_slow},
          {"mscale", yarn.mscale},
          {"mscale_all_dim", yarn.mscale_all_dim},
          {"original_max_position_embeddings", yarn.original_max_position_embeddings}};
}

Json token_id(int64_t id) { return id < 0 ? Json() : Json(id); }

}  // namespace

std::string ModelConfig::to_json() const {
  Json json;
  json["architectures"] = Json::array({architecture});
  json["model_type"] = model_type;
  json["vocab_size"] = vocab_size;
  json["hidden_size"] = hidden_size;
  json["hidden_act"] = "silu";
  json["intermediate_size"] = intermediate_size;
  json["moe_intermediate_size"] = moe_intermediate_size;
  json["num_hidden_layers"] = num_hidden_layers;
  json["num_nextn_predict_layers"] = num_nextn_predict_layers;
  json["num_attention_heads"] = num_attention_heads;
  json["num_key_value_heads"] = num_attention_heads;
  json["attention_bias"] = false;
  json["n_routed_experts"] = n_routed_experts;
  json["n_shared_experts"] = n_shared_experts;
  json["num_experts_per_tok"] = num_experts_per_tok;
  json["first_k_dense_replace"] = first_k_dense_replace;
  json["moe_layer_freq"] = moe_layer_freq;
  json["n_group"] = n_group;
  json["topk_group"] = topk_group;
  json["topk_method"] = name_of(topk_method);
  json["scoring_func"] = name_of(scoring_func);
  json["norm_topk_prob"] = norm_topk_prob;
  json["routed_scaling_factor"] = routed_scaling_factor;
  json["q_lora_rank"] = q_lora_rank == 0 ? Json() : Json(q_lora_rank);
  json["kv_lora_rank"] = kv_lora_rank;
  json["qk_nope_head_dim"] = qk_nope_head_dim;
  json["qk_rope_head_dim"] = qk_rope_head_dim;
  json["v_head_dim"] = v_head_dim;
  json["rms_norm_eps"] = rms_norm_eps;
  json["rope_theta"] = rope_theta;
  json["rope_scaling"] = yarn ? yarn_json(*yarn) : Json();
  json["max_position_embeddings"] = max_position_embeddings;
  json["tie_word_embeddings"] = tie_word_embeddings;
  json["torch_dtype"] = "bfloat16";
  if (fp8) {
    json["quantization_config"] = {{"activation_scheme", "dynamic"},
                                   {"fmt", "e4m3"},
                                   {"quant_method", "fp8"},
                                   {"weight_block_size", {128, 128}}};
  }
  json["bos_token_id"] = token_id(bos_token_id);
  json["eos_token_id"] = token_id(eos_token_id);
  return json.dump(2) + "\n";
}

}  // namespace fathom
