#include "weights/model_weights.h"

#include <fmt/ranges.h>

#include <cmath>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "tensor/float_formats.h"

namespace fathom {

class WeightLoader {
 public:
  explicit WeightLoader(ModelWeights& weights)
      : weights_(weights), checkpoint_(weights.checkpoint_), config_(weights.config()) {}

  void load() {
    const ModelConfig& c = config_;
    weights_.embed = matrix("model.embed_tokens", c.vocab_size, c.hidden_size);
    for (int64_t i = 0; i < c.num_hidden_layers; ++i) weights_.layers.push_back(layer(i));
    weights_.final_norm = vector("model.norm.weight", c.hidden_size);
    weights_.head =
        c.tie_word_embeddings ? weights_.embed : matrix("lm_head", c.vocab_size, c.hidden_size);
    for (int64_t i = 0; i < c.num_nextn_predict_layers; ++i) {
      weights_.mtp.push_back(mtp(c.num_hidden_layers + i));
    }
  }

 private:
  static std::string layer_name(int64_t index) { return fmt::format("model.layers.{}.", index); }

  const TensorView& tensor(const std::string& name, std::vector<int64_t> shape) const {
    const TensorView& found = checkpoint_.get(name);
    if (found.shape != shape) {
      fail(ErrorKind::kBadInput, "{}: tensor {} has shape {}, expected {}", checkpoint_.dir(), name,
           found.shape, shape);
    }
    return found;
  }

  Vector vector(const std::string& name, int64_t size) {
    const TensorView& found = tensor(name, {size});
    const void* data = found.data;
    Vector result(static_cast<size_t>(size));
    for (size_t i = 0; i < result.size(); ++i) {
      switch (found.dtype) {
        case DType::kF32:
          result[i] = static_cast<const float*>(data)[i];
          break;
        case DType::kBF16:
          result[i] = bf16_to_f32(static_cast<const uint16_t*>(data)[i]);
          break;
        default:
          fail(ErrorKind::kBadInput, "{}: tensor {} is {}, expected BF16 or F32", checkpoint_.dir(),
               name, dtype_name(found.dtype));
      }
    }
    return result;
  }

  // `name` without ".weight". Any of the three weight types; FP8 with its block scales.
  WeightView matrix(const std::string& name, int64_t rows, int64_t cols) {
    const std::string full = name + ".weight";
    const TensorView& found = tensor(full, {rows, cols});
    WeightView view{found.data, found.dtype, rows, cols, nullptr};
    switch (found.dtype) {
      case DType::kF32:
      case DType::kBF16:
        return view;
      case DType::kF8E4M3:
        view.scale = scales(full + "_scale_inv", rows, cols);
        return view;
      default:
        fail(ErrorKind::kBadInput, "{}: tensor {} is {}, expected F8_E4M3, BF16 or F32",
             checkpoint_.dir(), full, dtype_name(found.dtype));
    }
  }

  const float* scales(const std::string& name, int64_t rows, int64_t cols) {
    const int64_t block_cols = ceil_div(cols, kScaleBlock);
    const TensorView& found = tensor(name, {ceil_div(rows, kScaleBlock), block_cols});
    if (found.dtype != DType::kF32) {
      fail(ErrorKind::kBadInput, "{}: tensor {} is {}, expected F32", checkpoint_.dir(), name,
           dtype_name(found.dtype));
    }
    const auto* values = found.as<float>().data();
    for (int64_t i = 0; i < static_cast<int64_t>(found.bytes / sizeof(float)); ++i) {
      if (std::isfinite(values[i])) continue;
      fail(ErrorKind::kBadInput,
           "{}: tensor {} holds {} at block [{}, {}], expected a finite scale", checkpoint_.dir(),
           name, values[i], i / block_cols, i % block_cols);
    }
    return values;
  }

  AttentionWeights attention(const std::string& prefix) {
    const ModelConfig& c = config_;
    const int64_t q_rows = c.num_attention_heads * c.qk_head_dim();
    AttentionWeights w;
    if (c.q_lora_rank == 0) {
      w.q_proj = matrix(prefix + "q_proj", q_rows, c.hidden_size);
    } else {
      w.q_a = matrix(prefix + "q_a_proj", c.q_lora_rank, c.hidden_size);
      w.q_a_norm = vector(prefix + "q_a_layernorm.weight", c.q_lora_rank);
      w.q_b = matrix(prefix + "q_b_proj", q_rows, c.q_lora_rank);
    }
    w.kv_a = matrix(prefix + "kv_a_proj_with_mqa", c.kv_latent_dim(), c.hidden_size);
    w.kv_a_norm = vector(prefix + "kv_a_layernorm.weight", c.kv_lora_rank);
    w.kv_b = matrix(prefix + "kv_b_proj",
                    c.num_attention_heads * (c.qk_nope_head_dim + c.v_head_dim), c.kv_lora_rank);
    w.o = matrix(prefix + "o_proj", c.hidden_size, c.num_attention_heads * c.v_head_dim);
    return w;
  }

  MlpWeights mlp(const std::string& prefix, int64_t intermediate) {
    return {matrix(prefix + "gate_proj", intermediate, config_.hidden_size),
            matrix(prefix + "up_proj", intermediate, config_.hidden_size),
            matrix(prefix + "down_proj", config_.hidden_size, intermediate)};
  }

  MoeWeights moe(const std::string& prefix) {
    const ModelConfig& c = config_;
    MoeWeights w;
    w.router = matrix(prefix + "gate", c.n_routed_experts, c.hidden_size);
    if (c.topk_method == TopkMethod::kNoauxTc) {
      w.bias = vector(prefix + "gate.e_score_correction_bias", c.n_routed_experts);
    }
    w.experts.reserve(static_cast<size_t>(c.n_routed_experts));
    for (int64_t e = 0; e < c.n_routed_experts; ++e) {
      w.experts.push_back(mlp(fmt::format("{}experts.{}.", prefix, e), c.moe_intermediate_size));
    }
    if (c.n_shared_experts > 0) {
      w.shared = mlp(prefix + "shared_experts.", c.n_shared_experts * c.moe_intermediate_size);
    }
    return w;
  }

  LayerWeights layer(int64_t index) {
    const std::string prefix = layer_name(index);
    LayerWeights w;
    w.input_norm = vector(prefix + "input_layernorm.weight", config_.hidden_size);
    w.attention = attention(prefix + "self_attn.");
    w.post_norm = vector(prefix + "post_attention_layernorm.weight", config_.hidden_size);
    if (config_.is_moe_layer(index)) {
      w.moe = moe(prefix + "mlp.");
    } else {
      w.mlp = mlp(prefix + "mlp.", config_.intermediate_size);
    }
    return w;
  }

  MtpWeights mtp(int64_t index) {
    const ModelConfig& c = config_;
    const std::string prefix = layer_name(index);
    MtpWeights w;
    w.embed = shared_matrix(prefix + "embed_tokens", weights_.embed);
    w.enorm = vector(prefix + "enorm.weight", c.hidden_size);
    w.hnorm = vector(prefix + "hnorm.weight", c.hidden_size);
    w.eh_proj = matrix(prefix + "eh_proj", c.hidden_size, 2 * c.hidden_size);
    w.layer = layer(index);
    w.head_norm = vector(prefix + "shared_head.norm.weight", c.hidden_size);
    w.head = shared_matrix(prefix + "shared_head.head", weights_.head);
    return w;
  }

  // The published files repeat the embedding and head in the MTP layer; some exports leave them
  // out.
  WeightView shared_matrix(const std::string& name, const WeightView& main) {
    if (checkpoint_.find(name + ".weight") == nullptr) return main;
    return matrix(name, main.rows, main.cols);
  }

  ModelWeights& weights_;
  const Checkpoint& checkpoint_;
  const ModelConfig& config_;
};

ModelWeights ModelWeights::load(Checkpoint checkpoint) {
  ModelWeights weights(std::move(checkpoint));
  WeightLoader(weights).load();
  return weights;
}

}  // namespace fathom
