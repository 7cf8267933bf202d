#include "train/state.h"

#include <cstring>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "checkpoint/safetensors_file.h"
#include "checkpoint/safetensors_writer.h"

namespace fathom::train {
namespace {

constexpr const char* kFormat = "fathom-training-state-1";

NamedTensor flat(const char* name, DType dtype, const void* data, int64_t n) {
  NamedTensor t;
  t.spec = {name, dtype, {n}};
  t.bytes = {static_cast<const std::byte*>(data), static_cast<size_t>(n) * dtype_size(dtype)};
  return t;
}

void copy(const SafetensorsFile& file, const char* name, DType dtype, int64_t n, void* to) {
  const TensorView& tensor = file.get(name);
  if (tensor.dtype != dtype || tensor.elements() != n) {
    fail(ErrorKind::kBadInput, "{}: {} is {}, this model has {} elements of {}", file.path(), name,
         describe(tensor), n, dtype_name(dtype));
  }
  std::memcpy(to, tensor.data, tensor.bytes);
}

/// A parameter's name and size, so that a state is refused by a model of other shapes.
std::string signature(const Layout& layout) {
  std::string text;
  for (const Param& p : layout.params) {
    text += fmt::format("{} {}x{}\n", p.name, p.rows, p.cols);
  }
  return text;
}

SafetensorsFile open_state(const std::string& path, const Layout& layout) {
  SafetensorsFile file = SafetensorsFile::open(path);
  const auto& meta = file.metadata();
  const auto format = meta.find("format");
  if (format == meta.end() || format->second != kFormat) {
    fail(ErrorKind::kBadInput, "{}: not a training state (format {})", path,
         format == meta.end() ? "missing" : format->second);
  }
  const auto shapes = meta.find("parameters");
  if (shapes == meta.end() || shapes->second != signature(layout)) {
    fail(ErrorKind::kBadInput, "{}: the state of a model with other parameters", path);
  }
  return file;
}

}  // namespace

void save_state(const std::string& path, const Layout& layout, const Weights& weights,
                const Progress& progress) {
  nlohmann::json json;
  json["step"] = progress.step;
  json["tokens"] = progress.tokens;
  json["sequences"] = progress.loader.sequences;
  json["position"] = progress.loader.position;
  std::vector<NamedTensor> tensors = {
      flat("params", DType::kF32, weights.params.data(), layout.size),
      flat("m", DType::kBF16, weights.m.data(), layout.size),
      flat("v", DType::kBF16, weights.v.data(), layout.size),
      flat("bias", DType::kF32, weights.bias.data(), static_cast<int64_t>(weights.bias.size())),
  };
  if (weights.ema.size() > 0) {
    tensors.push_back(flat("ema", DType::kF32, weights.ema.data(), layout.size));
  }
  write_safetensors(
      path, tensors,
      {{"format", kFormat}, {"progress", json.dump()}, {"parameters", signature(layout)}});
}

Progress load_state(const std::string& path, const Layout& layout, Weights& weights) {
  const SafetensorsFile file = open_state(path, layout);
  copy(file, "params", DType::kF32, layout.size, weights.params.data());
  copy(file, "m", DType::kBF16, layout.size, weights.m.data());
  copy(file, "v", DType::kBF16, layout.size, weights.v.data());
  copy(file, "bias", DType::kF32, static_cast<int64_t>(weights.bias.size()), weights.bias.data());
  if (weights.ema.size() > 0) copy(file, "ema", DType::kF32, layout.size, weights.ema.data());
  const auto text = file.metadata().find("progress");
  const auto json =
      nlohmann::json::parse(text == file.metadata().end() ? "" : text->second, nullptr,
                            /*allow_exceptions=*/false);
  Progress progress;
  try {
    progress.step = json.at("step");
    progress.tokens = json.at("tokens");
    progress.loader.sequences = json.at("sequences");
    progress.loader.position = json.at("position").get<std::vector<uint64_t>>();
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorKind::kBadInput, "{}: progress: {}", path, error.what());
  }
  return progress;
}

void load_parameters(const std::string& path, const Layout& layout, Weights& weights) {
  const SafetensorsFile file = open_state(path, layout);
  copy(file, file.find("ema") ? "ema" : "params", DType::kF32, layout.size, weights.params.data());
  copy(file, "bias", DType::kF32, static_cast<int64_t>(weights.bias.size()), weights.bias.data());
  if (weights.ema.size() > 0)
    std::memcpy(weights.ema.data(), weights.params.data(), weights.ema.size());
}

}  // namespace fathom::train
