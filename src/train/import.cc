#include "train/import.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/expected_tensors.h"
#include "tensor/float_formats.h"
#include "tensor/mat_view.h"

namespace fathom::train {
namespace {

/// `tensor` as floats; `scale` belongs to an FP8 one.
void widen(const TensorView& tensor, const TensorView* scale, int64_t cols, float* out) {
  switch (tensor.dtype) {
    case DType::kF8E4M3: {
      const auto codes = tensor.as<uint8_t>();
      const auto scales = scale->as<float>();
      const int64_t across = ceil_div(cols, kScaleBlock);
      for (int64_t i = 0; i < std::ssize(codes); ++i) {
        const int64_t block = i / cols / kScaleBlock * across + i % cols / kScaleBlock;
        out[i] = e4m3_to_f32(codes[static_cast<size_t>(i)]) * scales[static_cast<size_t>(block)];
      }
      return;
    }
    case DType::kBF16:
      std::ranges::transform(tensor.as<uint16_t>(), out, bf16_to_f32);
      return;
    default:
      std::ranges::copy(tensor.as<float>(), out);
  }
}

}  // namespace

void import_model(const std::string& dir, const ModelConfig& config, const Layout& layout,
                  Weights& weights) {
  const Checkpoint checkpoint = Checkpoint::open(dir);
  // Its tensors are held against the configuration that is trained, not against its own.
  ModelConfig expected = config;
  expected.fp8 = checkpoint.config().fp8;
  require_no_problems(check_tensors(expected, checkpoint.tensors()), dir);
  auto* params = weights.params.as<float>();
  for (const Param& p : layout.params) {
    const TensorView* scale = checkpoint.find(p.name + std::string(kScaleSuffix));
    if (scale) check_scales(*scale, dir);
    widen(checkpoint.get(p.name), scale, p.cols, params + p.offset);
  }
  float* bias = weights.bias.data();
  for (int64_t layer : layout.moe_layers) {
    widen(checkpoint.get(layer_prefix(layer) + "mlp.gate.e_score_correction_bias"), nullptr,
          config.n_routed_experts, bias);
    bias += config.n_routed_experts;
  }
  if (weights.ema.size() > 0) std::memcpy(weights.ema.data(), params, weights.ema.size());
}

}  // namespace fathom::train
