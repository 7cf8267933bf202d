#include "train/export.h"

#include <algorithm>
#include <deque>
#include <filesystem>
#include <vector>

#include "base/error.h"
#include "checkpoint/expected_tensors.h"
#include "checkpoint/safetensors_writer.h"
#include "io/file_system.h"
#include "tensor/float_formats.h"
#include "train/linear.h"

namespace fathom::train {
namespace {

/// Collects the tensors with the memory that their bytes lie in.
class Collector {
 public:
  template <typename T>
  std::vector<T>& add(const std::string& name, DType dtype, std::vector<int64_t> shape) {
    NamedTensor tensor;
    tensor.spec = {name, dtype, std::move(shape)};
    const size_t n = static_cast<size_t>(tensor.spec.elements());
    std::vector<T>& memory = storage<T>().emplace_back(n);
    tensor.bytes = std::as_bytes(std::span(memory));
    tensors_.push_back(std::move(tensor));
    return memory;
  }

  void bf16(const std::string& name, const Param& p, const float* w) {
    std::vector<int64_t> shape = {p.rows, p.cols};
    if (p.kind == ParamKind::kNorm) shape = {p.cols};
    std::vector<uint16_t>& out = add<uint16_t>(name, DType::kBF16, std::move(shape));
    for (size_t i = 0; i < out.size(); ++i) out[i] = f32_to_bf16(w[i]);
  }

  void fp8(const std::string& name, const Param& p, const float* w) {
    const std::vector<int64_t> shape = {p.rows, p.cols};
    std::vector<uint8_t>& codes = add<uint8_t>(name, DType::kF8E4M3, shape);
    std::vector<float>& scale =
        add<float>(name + std::string(kScaleSuffix), DType::kF32, scale_shape(shape));
    quantize_weight(w, p.rows, p.cols, codes.data(), scale.data());
  }

  const std::vector<NamedTensor>& tensors() const { return tensors_; }

 private:
  template <typename T>
  std::deque<std::vector<T>>& storage() {
    if constexpr (sizeof(T) == 1) return bytes_;
    if constexpr (sizeof(T) == 2) return halves_;
    if constexpr (sizeof(T) == 4) return floats_;
  }
  std::vector<NamedTensor> tensors_;
  std::deque<std::vector<uint8_t>> bytes_;
  std::deque<std::vector<uint16_t>> halves_;
  std::deque<std::vector<float>> floats_;
};

void copy_tokenizer(const std::string& from, const std::string& to) {
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "generation_config.json"}) {
    const std::filesystem::path source = std::filesystem::path(from) / name;
    if (!std::filesystem::exists(source)) continue;
    io::write_file_atomically(io::system_files(), to + "/" + name, io::read_file(source.string()));
  }
}

}  // namespace

void export_model(const std::string& dir, ModelConfig config, const Layout& layout,
                  const float* params, const float* bias, const ExportOptions& options) {
  io::system_files().create_dirs(dir);
  Collector out;
  for (const Param& p : layout.params) {
    if (options.fp8 && p.kind == ParamKind::kLinear) {
      out.fp8(p.name, p, params + p.offset);
    } else {
      out.bf16(p.name, p, params + p.offset);
    }
  }
  for (size_t i = 0; i < layout.moe_layers.size(); ++i) {
    std::vector<float>& b =
        out.add<float>(layer_prefix(layout.moe_layers[i]) + "mlp.gate.e_score_correction_bias",
                       DType::kF32, {config.n_routed_experts});
    std::copy_n(bias + static_cast<int64_t>(i) * config.n_routed_experts, b.size(), b.data());
  }
  if (config.num_nextn_predict_layers > 0) {
    const std::string mtp = layer_prefix(config.num_hidden_layers);
    for (const Param& p : layout.params) {
      if (p.name == "model.embed_tokens.weight") {
        out.bf16(mtp + "embed_tokens.weight", p, params + p.offset);
      } else if (p.name == "lm_head.weight") {
        out.bf16(mtp + "shared_head.head.weight", p, params + p.offset);
      }
    }
  }
  config.fp8 = options.fp8;
  io::write_file_atomically(io::system_files(), dir + "/config.json", config.to_json());
  if (!options.tokenizer.empty()) copy_tokenizer(options.tokenizer, dir);
  write_safetensors(dir + "/model.safetensors", out.tensors());
}

}  // namespace fathom::train
