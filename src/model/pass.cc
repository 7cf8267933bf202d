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
  attention.head_in.resize(static_cast<size_t>(pool.threads()));
  mlp.tiles.resize(static_cast<size_t>(pool.threads()));
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

void Pass::linear(std::initializer_list<Product> products) const {
  int64_t panels = 0;
  for (const Product& p : products) {
    FATHOM_CHECK(p.x.cols() == p.w.cols && p.y.rows == p.x.rows() && p.y.cols == p.w.rows);
    panels += ceil_div(p.w.rows, kPanelRows);
  }
  const int64_t width = outputs_at_once(products.begin()->x.rows(), panels);
  int64_t items = 0;
  for (const Product& p : products) items += ceil_div(p.w.rows, width);
  pool_.run(items, [&](int64_t item, int) {
    const Product* p = products.begin();
    while (item >= ceil_div(p->w.rows, width)) item -= ceil_div(p++->w.rows, width);
    const int64_t first = item * width;
    const int64_t last = std::min(first + width, p->w.rows);
    kernels_.linear(p->x, p->w, first, last, p->y.cols_from(first, last - first));
  });
}

Activations Pass::prepare(ActivationBuffer& buffer, Mat<const float> x) const {
  const Activations result = buffer.reserve(numerics_, x);
  for_rows(x.rows, [&](int64_t r, int) { fill_row(kernels_, result, r); });
  return result;
}

void Pass::rms_norm(std::span<const float> x, std::span<const float> weight, float* y) const {
  kernels_.rms_norm(x, weight, static_cast<float>(config_.rms_norm_eps), y);
}

void Pass::rms_norm(Mat<const float> x, std::span<const float> weight, Mat<float> y) const {
  for_rows(x.rows, [&](int64_t r, int) { rms_norm(x.row_span(r), weight, y.row(r)); });
}

}  // namespace fathom
