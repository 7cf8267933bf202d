// Which tensors a model of a given config has: names, shapes, and the types each may have. The
// names are the published checkpoint's.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/config.h"
#include "checkpoint/safetensors_file.h"
#include "tensor/dtype.h"

namespace fathom {

enum class TensorRole {
  kEmbedding,
  kHead,
  kNorm,
  kAttention,  // a projection of latent attention
  kDense,      // of a dense layer's MLP
  kExpert,     // of one routed expert
  kSharedExpert,
  kGate,          // the router
  kGateBias,      // e_score_correction_bias, F32 as published
  kMtpProjection  // eh_proj
};

struct ExpectedTensor {
  std::string name;
  std::vector<int64_t> shape;
  TensorRole role = TensorRole::kNorm;
  int64_t layer = -1;     // -1: of no layer
  bool mtp = false;       // of an MTP layer
  bool optional = false;  // a head tied to the embedding may be there or not

  /// Published in FP8, which `convert --to fp8` and `synth` follow: the projections of attention
  /// and of the MLPs. Everything else stays in high precision.
  bool quantized_as_published() const;
  /// Whether the model can compute with it in this type. F8_E4M3 needs a scale tensor beside it.
  bool allows(DType dtype) const;
};

/// The suffix that makes a weight's name its scale's.
inline constexpr std::string_view kScaleSuffix = "_scale_inv";

/// [ceil(rows / 128), ceil(cols / 128)] of a matrix's shape.
std::vector<int64_t> scale_shape(std::span<const int64_t> shape);

/// In the published order: embedding, layers, final norm, head, then the MTP layers, whose indices
/// follow the main model's. Scale tensors are not listed: every F8_E4M3 tensor has one.
std::vector<ExpectedTensor> expected_tensors(const ModelConfig& config);

struct TensorProblem {
  enum class Kind { kMissing, kUnexpected, kWrong };
  Kind kind = Kind::kMissing;
  std::string tensor;
  std::string message;  // one line, without the tensor's name
};

/// Compares what a checkpoint holds (in order of name) with what its config asks for, scales
/// included. Reads no tensor's data.
std::vector<TensorProblem> check_tensors(const ModelConfig& config,
                                         std::span<const TensorView> tensors);

/// Throws Error(kBadInput) naming `origin`, the first problem, and how many more there are.
void require_no_problems(std::span<const TensorProblem> problems, const std::string& origin);

/// Throws Error(kBadInput), naming the tensor, the block and the value, for a NaN or infinite
/// scale. Reads all of `scale`, about 1/4096 of its weight's bytes. An F32 tensor.
void check_scales(const TensorView& scale, const std::string& origin);

}  // namespace fathom
