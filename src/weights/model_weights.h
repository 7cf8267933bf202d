// The checkpoint's tensors as the forward pass wants them: per-layer structs of views, each shape
// checked. Matrices stay in the mapped files; small vectors are copied to F32.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "tensor/mat_view.h"
#include "weights/head_outline.h"

namespace fathom {

using Vector = std::vector<float>;

/// Multi-head latent attention. Either q_proj or q_a, q_a_norm and q_b are there.
struct AttentionWeights {
  WeightView q_proj;  // [heads * qk_head_dim, hidden]
  WeightView q_a;     // [q_lora_rank, hidden]
  Vector q_a_norm;    // [q_lora_rank]
  WeightView q_b;     // [heads * qk_head_dim, q_lora_rank]
  WeightView kv_a;    // [kv_lora_rank + qk_rope_head_dim, hidden]
  Vector kv_a_norm;   // [kv_lora_rank]
  WeightView kv_b;    // [heads * (qk_nope_head_dim + v_head_dim), kv_lora_rank]
  WeightView o;       // [hidden, heads * v_head_dim]
};

/// down(silu(gate(x)) * up(x)): a dense MLP, one expert, or the shared experts together.
struct MlpWeights {
  WeightView gate;  // [intermediate, hidden]
  WeightView up;    // [intermediate, hidden]
  WeightView down;  // [hidden, intermediate]
};

struct MoeWeights {
  WeightView router;  // [n_routed_experts, hidden]
  Vector bias;        // e_score_correction_bias [n_routed_experts]; empty without noaux_tc
  std::vector<MlpWeights> experts;
  std::optional<MlpWeights> shared;
};

struct LayerWeights {
  Vector input_norm;  // [hidden]
  AttentionWeights attention;
  Vector post_norm;               // [hidden]
  std::optional<MlpWeights> mlp;  // a dense layer
  std::optional<MoeWeights> moe;  // or this
};

/// A multi-token prediction layer (technical report, section 2.2).
struct MtpWeights {
  WeightView embed;    // [vocab, hidden]
  Vector enorm;        // [hidden]
  Vector hnorm;        // [hidden]
  WeightView eh_proj;  // [hidden, 2 * hidden], the embedding's half first
  LayerWeights layer;
  Vector head_norm;  // [hidden]
  WeightView head;   // [vocab, hidden]
  HeadOutline head_outline;
};

/// Everything. Views point into the checkpoint, which this keeps open.
class ModelWeights {
 public:
  /// Checks every tensor that the config asks for. Throws Error naming the tensor, the dtype or
  /// shape found and the one expected; NaN or infinite scales are refused with their block.
  static ModelWeights load(Checkpoint checkpoint);

  const ModelConfig& config() const { return checkpoint_.config(); }
  const Checkpoint& checkpoint() const { return checkpoint_; }

  WeightView embed;  // [vocab, hidden]
  std::vector<LayerWeights> layers;
  Vector final_norm;         // [hidden]
  WeightView head;           // [vocab, hidden]; the embedding's when tied
  HeadOutline head_outline;  // none until there is one
  std::vector<MtpWeights> mtp;

 private:
  explicit ModelWeights(Checkpoint checkpoint) : checkpoint_(std::move(checkpoint)) {}
  friend class WeightLoader;
  Checkpoint checkpoint_;
};

}  // namespace fathom
