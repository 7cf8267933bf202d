#include "checkpoint/config.h"

#include <fmt/format.h>

#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "checkpoint/config_reader.h"
#include "checkpoint/strict_json.h"
#include "io/file_system.h"

namespace fathom {
namespace {

using Json = nlohmann::ordered_json;

// Bounds far past any published model, and small enough that no product of a tensor's dimensions
// comes near 2^63.
constexpr int64_t kMaxWidth = 1 << 20;
constexpr int64_t kMaxLayers = 4096;
constexpr int64_t kMaxHeads = 1 << 13;
constexpr int64_t kMaxHeadDim = 1 << 13;
constexpr int64_t kMaxExperts = 1 << 13;
constexpr int64_t kMaxExpertsInAll = 1 << 18;
constexpr int64_t kMaxVocab = 1 << 24;
constexpr int64_t kMaxPositions = int64_t{1} << 31;
constexpr int64_t kMaxTokenId = INT32_MAX;
constexpr uint64_t kMaxConfigBytes = 16 << 20;

/// Keys of related architectures that change the result here, with the values under which they do
/// not.
void refuse_other_features(const ConfigReader& keys) {
  if (keys.text("hidden_act", "silu") != "silu") keys.unsupported("hidden_act", "only \"silu\" is");
  for (const char* key : {"attention_bias", "mlp_bias", "use_sliding_window"}) {
    if (keys.present(key) && keys.boolean(key, false)) keys.unsupported(key, "only false is");
  }
  if (keys.present("rope_interleave") && !keys.boolean("rope_interleave", true)) {
    keys.unsupported("rope_interleave", "only true is");
  }
  for (const char* key : {"sliding_window", "index_topk", "index_n_heads", "index_head_dim",
                          "rope_parameters", "logit_scale", "final_logit_softcapping",
                          "attn_logit_softcapping", "router_logit_softcapping"}) {
    if (keys.present(key)) keys.unsupported(key, "only null or an absent key is");
  }
}

void read_architecture(const ConfigReader& keys, ModelConfig* config) {
  constexpr const char* kKnown = "DeepseekV3ForCausalLM";
  const Json* list = keys.present("architectures");
  if (!list || !list->is_array() || list->empty() || !list->front().is_string()) {
    keys.wrong("architectures", "[\"DeepseekV3ForCausalLM\"]");
  }
  if (list->size() != 1 || list->front() != kKnown) {
    keys.unsupported("architectures", "only [\"DeepseekV3ForCausalLM\"] is");
  }
  config->architecture = kKnown;
  config->model_type = keys.text("model_type", "deepseek_v3");
}

void read_widths(const ConfigReader& keys, ModelConfig* config) {
  config->vocab_size = keys.integer("vocab_size", 129280, 1, kMaxVocab);
  config->hidden_size = keys.integer("hidden_size", 7168, 1, kMaxWidth);
  config->intermediate_size = keys.integer("intermediate_size", 18432, 1, kMaxWidth);
  config->num_hidden_layers = keys.integer("num_hidden_layers", 61, 1, kMaxLayers);
  config->num_nextn_predict_layers = keys.integer("num_nextn_predict_layers", 0, 0, kMaxLayers);
  config->max_position_embeddings = keys.integer("max_position_embeddings", 4096, 1, kMaxPositions);
  config->rms_norm_eps = keys.real("rms_norm_eps", 1e-6, 0, 1);
  config->tie_word_embeddings = keys.boolean("tie_word_embeddings", false);
}

void read_attention(const Json& json, const ConfigReader& keys, ModelConfig* config) {
  config->num_attention_heads = keys.integer("num_attention_heads", 128, 1, kMaxHeads);
  // Latent attention has no grouped keys; the published value repeats the number of heads.
  const int64_t heads = config->num_attention_heads;
  if (keys.optional_integer("num_key_value_heads", 1, kMaxHeads).value_or(heads) != heads) {
    keys.unsupported("num_key_value_heads", "only num_attention_heads is");
  }
  const bool no_q_lora = json.contains("q_lora_rank") && json.at("q_lora_rank").is_null();
  config->q_lora_rank = no_q_lora ? 0 : keys.integer("q_lora_rank", 1536, 1, kMaxWidth);
  config->kv_lora_rank = keys.integer("kv_lora_rank", 512, 1, kMaxWidth);
  config->qk_nope_head_dim = keys.integer("qk_nope_head_dim", 128, 1, kMaxHeadDim);
  config->qk_rope_head_dim = keys.integer("qk_rope_head_dim", 64, 2, kMaxHeadDim);
  if (config->qk_rope_head_dim % 2 != 0) keys.wrong("qk_rope_head_dim", "an even number");
  config->v_head_dim = keys.integer("v_head_dim", 128, 1, kMaxHeadDim);
  config->rope_theta = keys.real("rope_theta", 10000, 1, 1e12, /*above_low=*/true);
}

void read_yarn(const ConfigReader& keys, const std::string& origin, ModelConfig* config) {
  const Json* scaling = keys.present("rope_scaling");
  if (!scaling) return;
  if (!scaling->is_object()) keys.wrong("rope_scaling", "null or an object");
  const ConfigReader yarn_keys(*scaling, origin, "rope_scaling.");
  for (const auto& [key, value] : scaling->items()) {
    constexpr std::string_view kKnown[] = {
        "type",      "rope_type", "factor",         "beta_fast",
        "beta_slow", "mscale",    "mscale_all_dim", "original_max_position_embeddings"};
    if (std::find(std::begin(kKnown), std::end(kKnown), key) == std::end(kKnown)) {
      yarn_keys.unsupported(key, "an unknown key");
    }
  }
  const bool type = yarn_keys.present("type"), rope_type = yarn_keys.present("rope_type");
  if (!type && !rope_type) yarn_keys.wrong("type", "\"yarn\"");
  if (type && yarn_keys.text("type", "") != "yarn")
    yarn_keys.unsupported("type", "only \"yarn\" is");
  if (rope_type && yarn_keys.text("rope_type", "") != "yarn") {
    yarn_keys.unsupported("rope_type", "only \"yarn\" is");
  }
  if (!yarn_keys.present("factor")) yarn_keys.wrong("factor", "a number");

  YarnConfig yarn;  // absent keys: as the published DeepseekV3YarnRotaryEmbedding
  yarn.factor = yarn_keys.real("factor", 0, 1, 1e6);
  yarn.beta_fast = yarn_keys.real("beta_fast", 32, 0, 1e6, /*above_low=*/true);
  yarn.beta_slow = yarn_keys.real("beta_slow", 1, 0, 1e6, /*above_low=*/true);
  if (yarn.beta_slow > yarn.beta_fast) yarn_keys.wrong("beta_slow", "at most beta_fast");
  yarn.mscale = yarn_keys.real("mscale", 1, 0, 1000);
  yarn.mscale_all_dim = yarn_keys.real("mscale_all_dim", 0, 0, 1000);
  yarn.original_max_position_embeddings =
      yarn_keys.integer("original_max_position_embeddings", 4096, 1, kMaxPositions);
  config->yarn = yarn;
}

void read_experts(const ConfigReader& keys, const Json& json, ModelConfig* config) {
  // Null experts mean a dense model, as in the reference.
  const bool dense = json.contains("n_routed_experts") && json.at("n_routed_experts").is_null();
  config->n_routed_experts = dense ? 0 : keys.integer("n_routed_experts", 256, 0, kMaxExperts);
  const bool none_shared =
      json.contains("n_shared_experts") && json.at("n_shared_experts").is_null();
  config->n_shared_experts = none_shared ? 0 : keys.integer("n_shared_experts", 1, 0, 1024);
  config->moe_intermediate_size = keys.integer("moe_intermediate_size", 2048, 1, kMaxWidth);
  config->first_k_dense_replace = keys.integer("first_k_dense_replace", 3, 0, kMaxLayers);
  config->moe_layer_freq = keys.integer("moe_layer_freq", 1, 1, kMaxLayers);
  config->norm_topk_prob = keys.boolean("norm_topk_prob", true);
  config->routed_scaling_factor = keys.real("routed_scaling_factor", 2.5, 0, 1e6, true);

  const std::string scoring = keys.text("scoring_func", "sigmoid");
  if (scoring == "sigmoid") {
    config->scoring_func = ScoringFunc::kSigmoid;
  } else if (scoring == "softmax") {
    config->scoring_func = ScoringFunc::kSoftmax;
  } else {
    keys.unsupported("scoring_func", "\"sigmoid\" and \"softmax\" are");
  }

  const std::string method = keys.text("topk_method", "noaux_tc");
  if (method == "noaux_tc") {
    config->topk_method = TopkMethod::kNoauxTc;
  } else if (method == "group_limited_greedy") {
    config->topk_method = TopkMethod::kGroupLimitedGreedy;
  } else if (method == "greedy") {
    config->topk_method = TopkMethod::kGreedy;
  } else {
    keys.unsupported("topk_method", "\"noaux_tc\", \"group_limited_greedy\" and \"greedy\" are");
  }
}

void read_groups(const ConfigReader& keys, ModelConfig* config) {
  const int64_t experts = config->n_routed_experts;
  if (experts == 0) {
    config->n_group = config->topk_group = config->num_experts_per_tok = 1;
    return;
  }
  const int64_t layers = config->num_hidden_layers + config->num_nextn_predict_layers;
  if (experts * layers > kMaxExpertsInAll) {
    keys.wrong("n_routed_experts",
               fmt::format("at most {} in {} layers", kMaxExpertsInAll, layers));
  }
  config->num_experts_per_tok = keys.integer("num_experts_per_tok", 8, 1, kMaxExperts);
  const bool grouped = config->topk_method != TopkMethod::kGreedy;
  // A greedy gate reads neither key; the published greedy configs leave them null.
  config->n_group = grouped ? keys.integer("n_group", 8, 1, kMaxExperts) : 1;
  config->topk_group = grouped ? keys.integer("topk_group", 4, 1, kMaxExperts) : 1;

  if (experts % config->n_group != 0) {
    keys.wrong("n_group", fmt::format("a divisor of n_routed_experts, {}", experts));
  }
  const int64_t group_size = experts / config->n_group;
  if (config->topk_method == TopkMethod::kNoauxTc && config->n_group > 1 && group_size < 2) {
    keys.wrong("n_group", "groups of two experts or more, whose two best make the group's score");
  }
  if (config->topk_group > config->n_group) {
    keys.wrong("topk_group", fmt::format("at most n_group, {}", config->n_group));
  }
  const int64_t reachable = group_size * config->topk_group;
  if (config->num_experts_per_tok > reachable) {
    keys.wrong("num_experts_per_tok",
               fmt::format("at most {}, the experts in topk_group groups", reachable));
  }
}

void read_quantization(const ConfigReader& keys, const std::string& origin, ModelConfig* config) {
  const Json* quantization = keys.present("quantization_config");
  if (!quantization) return;
  if (!quantization->is_object()) keys.wrong("quantization_config", "null or an object");
  const ConfigReader fp8(*quantization, origin, "quantization_config.");
  if (fp8.text("quant_method", "") != "fp8") fp8.unsupported("quant_method", "only \"fp8\" is");
  if (fp8.text("fmt", "e4m3") != "e4m3") fp8.unsupported("fmt", "only \"e4m3\" is");
  if (fp8.text("activation_scheme", "dynamic") != "dynamic") {
    fp8.unsupported("activation_scheme", "only \"dynamic\" is");
  }
  const Json* block = fp8.present("weight_block_size");
  if (!block || *block != Json::array({128, 128})) {
    fp8.unsupported("weight_block_size", "only [128, 128] is");
  }
  if (fp8.present("scale_fmt")) fp8.unsupported("scale_fmt", "only null or an absent key is");
  config->fp8 = true;
}

/// A published eos_token_id may be a list; null means that there is none.
int64_t read_token_id(const ConfigReader& keys, const Json& json, const char* key, int64_t absent) {
  if (!json.contains(key)) return absent;
  const Json& value = json.at(key);
  if (value.is_null()) return -1;
  if (value.is_array()) {
    if (value.size() != 1 || !value.front().is_number_integer()) {
      keys.unsupported(key, "only one id is");
    }
    const Json one{{key, value.front()}};
    const std::string origin = "config.json";
    return ConfigReader(one, origin).integer(key, absent, 0, kMaxTokenId);
  }
  return keys.integer(key, absent, 0, kMaxTokenId);
}

}  // namespace

ModelConfig ModelConfig::parse(std::string_view text, const std::string& origin) {
  const Json json = parse_strict_json(text, origin);
  if (!json.is_object()) fail(ErrorKind::kBadInput, "{}: expected a JSON object", origin);
  const ConfigReader keys(json, origin);
  ModelConfig config;
  read_architecture(keys, &config);
  refuse_other_features(keys);
  read_widths(keys, &config);
  read_attention(json, keys, &config);
  read_yarn(keys, origin, &config);
  read_experts(keys, json, &config);
  read_groups(keys, &config);
  read_quantization(keys, origin, &config);
  config.bos_token_id = read_token_id(keys, json, "bos_token_id", 0);
  config.eos_token_id = read_token_id(keys, json, "eos_token_id", 1);
  return config;
}

ModelConfig ModelConfig::load(const std::string& dir) {
  const std::string path = io::join(dir, "config.json");
  if (!io::directory_exists(dir)) fail(ErrorKind::kNotFound, "{}: no such directory", dir);
  if (!io::file_exists(path)) {
    fail(ErrorKind::kNotFound, "{}: not a checkpoint: there is no config.json", dir);
  }
  return parse(io::read_file(path, kMaxConfigBytes), path);
}

}  // namespace fathom
