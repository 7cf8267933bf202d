#include "model/pass.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "kernels/rope.h"

namespace fathom {
namespace {

std::optional<YarnParams> yarn_params(const ModelConfig& config) {
  if (!config.yarn) return std::nullopt;
  const YarnConfig& y = *config.yarn;
  return YarnParams{y.factor,         y.beta_fast,
                    y.beta_slow,      y.mscale,
                    y.mscale_all_dim, static_cast<double>(y.original_max_position_embeddings)};
}

// Output columns that one thread computes at a time.
constexpr int64_t kLinearChunk = 64;

}  // namespace

Mat<float> Scratch::get(int64_t rows, int64_t cols) {
  const size_t bytes = static_cast<size_t>(rows * cols) * sizeof(float);
  if (buffer_.size() < bytes) buffer_ = Buffer(bytes);
  return {buffer_.as<float>(), rows, cols};
}

Pass::Pass(const ModelConfig& config, const Kernels& kernels, Numerics numerics, ThreadPool& pool)
    : config_(config),
      kernels_(kernels),
      numerics_(numerics),
      pool_(pool),
      cache_{numerics == Numerics::kNative ? DType::kBF16 : DType::kF32, config.kv_latent_dim(),
             config.num_hidden_layers + config.num_nextn_predict_layers},
      frequencies_(
          rope_frequencies(config.qk_rope_head_dim, config.rope_theta, yarn_params(config))),
      rope_magnitude_(static_cast<float>(fathom::rope_magnitude(yarn_params(config)))),
      softmax_scale_(
          static_cast<float>(attention_softmax_scale(config.qk_head_dim(), yarn_params(config)))) {
  attention.queries.resize(static_cast<size_t>(pool.threads()));
  attention.latents.resize(static_cast<size_t>(pool.threads()));
}

void Pass::begin(std::vector<RowPlace> rows) {
  rows_ = std::move(rows);
  cos_.clear();
  sin_.clear();
  for (const RowPlace& row : rows_) {
    for (double frequency : frequencies_) {
      const double angle = static_cast<double>(row.position) * frequency;
      cos_.push_back(static_cast<float>(std::cos(angle)) * rope_magnitude_);
      sin_.push_back(static_cast<float>(std::sin(angle)) * rope_magnitude_);
    }
  }
}

void Pass::linear(const Activations& x, const WeightView& w, Mat<float> y) const {
  FATHOM_CHECK(x.cols() == w.cols && y.rows == x.rows() && y.cols == w.rows);
  pool_.run(ceil_div(w.rows, kLinearChunk), [&](int64_t chunk, int) {
    const int64_t first = chunk * kLinearChunk;
    const int64_t last = std::min(first + kLinearChunk, w.rows);
    kernels_.linear(x, w, first, last, y.cols_from(first, last - first));
  });
}

void Pass::rms_norm(Mat<const float> x, std::span<const float> weight, Mat<float> y) const {
  for (int64_t r = 0; r < x.rows; ++r) {
    kernels_.rms_norm(x.row_span(r), weight, static_cast<float>(config_.rms_norm_eps), y.row(r));
  }
}

}  // namespace fathom
