#include "train/local_heads.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "base/rng.h"

namespace fathom::train {
namespace {

constexpr double kShare = 0.7;      // of the common part, relative to the embeddings' own deviation
constexpr double kMagnitude = 6.0;  // of the constant parts of queries and keys
constexpr int64_t kPairs = 4;       // the fastest rotations: they tell neighbours apart

}  // namespace

void start_local_heads(const ModelConfig& config, const Layout& layout, const LocalHeads& local,
                       float* params) {
  const int64_t heads = local.heads;
  if (config.q_lora_rank == 0 || heads > config.num_attention_heads) {
    fail(ErrorKind::kUnsupported,
         "local_heads is {}: the architecture has {} heads and q_lora_rank {}", heads,
         config.num_attention_heads, config.q_lora_rank);
  }
  const int64_t hidden = config.hidden_size, nope = config.qk_nope_head_dim;
  const int64_t pairs = std::min(kPairs, config.qk_rope_head_dim / 2);
  std::vector<float> sign(static_cast<size_t>(hidden));
  for (int64_t j = 0; j < hidden; ++j) {
    sign[j] = splitmix64(static_cast<uint64_t>(j)) & 1 ? 1.0f : -1.0f;
  }
  float* embedding = params + layout.offset("model.embed_tokens.weight");
  for (int64_t i = 0; i < config.vocab_size * hidden; ++i) {
    embedding[i] += static_cast<float>(kShare * local.embedding_std) * sign[i % hidden];
  }
  // After the norm every position has `common` times the signs; a row along them reads a constant.
  const double common = kShare / std::sqrt(1 + kShare * kShare);
  const auto read_common = [&](float* row, double value) {
    for (int64_t j = 0; j < hidden; ++j) {
      row[j] = static_cast<float>(value / (static_cast<double>(hidden) * common)) * sign[j];
    }
  };
  const std::string p = layer_prefix(0) + "self_attn.";
  float* kv_a = params + layout.offset(p + "kv_a_proj_with_mqa.weight");
  for (int64_t i = 0; i < pairs; ++i) {
    read_common(kv_a + (config.kv_lora_rank + 2 * i) * hidden, kMagnitude);
    read_common(kv_a + (config.kv_lora_rank + 2 * i + 1) * hidden, 0);
  }
  read_common(params + layout.offset(p + "q_a_proj.weight"), kMagnitude);
  const double rank = static_cast<double>(config.q_lora_rank);
  const double others =
      local.std * local.std * static_cast<double>(hidden);  // variance of the other latents
  const double latent =
      kMagnitude / std::sqrt(((rank - 1) * others + kMagnitude * kMagnitude) / rank);
  float* q_b = params + layout.offset(p + "q_b_proj.weight");
  for (int64_t h = 0; h < heads; ++h) {
    const double offset = static_cast<double>(h + 1);
    for (int64_t i = 0; i < pairs; ++i) {
      const double angle =
          offset * std::pow(config.rope_theta, -2.0 * static_cast<double>(i) /
                                                   static_cast<double>(config.qk_rope_head_dim));
      float* row = q_b + (h * config.qk_head_dim() + nope + 2 * i) * config.q_lora_rank;
      std::fill_n(row, 2 * config.q_lora_rank, 0.0f);
      row[0] = static_cast<float>(kMagnitude / latent * std::cos(angle));
      row[config.q_lora_rank] = static_cast<float>(-kMagnitude / latent * std::sin(angle));
    }
  }
}

}  // namespace fathom::train
