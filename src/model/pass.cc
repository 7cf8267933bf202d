#include "model/pass.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "kernels/rope.h"
#include "weights/numa_panels.h"

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

Pass::Pass(const ModelConfig& config, const Kernels& kernels, Numerics numerics, ThreadPool& pool,
           double worth_sharing_ns)
    : config_(config),
      kernels_(kernels),
      numerics_(numerics),
      pool_(pool),
      worth_sharing_ns_(worth_sharing_ns),
      cache_{cache_dtype(numerics), config.kv_latent_dim(),
             config.num_hidden_layers + config.num_nextn_predict_layers},
      frequencies_(
          rope_frequencies(config.qk_rope_head_dim, config.rope_theta, yarn_params(config))),
      rope_magnitude_(static_cast<float>(fathom::rope_magnitude(yarn_params(config)))),
      softmax_scale_(
          static_cast<float>(attention_softmax_scale(config.qk_head_dim(), yarn_params(config)))) {
  attention.head_in.resize(static_cast<size_t>(pool.threads()));
  mlp.tiles.resize(static_cast<size_t>(pool.threads()));
}

void Pass::turn(PlacedRows& rows) const {
  rows.cos.clear();
  rows.sin.clear();
  for (const RowPlace& row : rows.places) {
    for (double frequency : frequencies_) {
      const double angle = static_cast<double>(row.position) * frequency;
      rows.cos.push_back(static_cast<float>(std::cos(angle)) * rope_magnitude_);
      rows.sin.push_back(static_cast<float>(std::sin(angle)) * rope_magnitude_);
    }
  }
}

Pieces Pass::cut(std::span<const int64_t> outputs, int64_t least) const {
  const NumaPlan& plan = pool_.plan();
  pieces_.clear();
  piece_ends_.clear();
  for (int node = 0; node < std::ssize(plan.nodes()); ++node) {
    int64_t left = 0;  // panels
    for (int64_t count : outputs) left += node_panels(plan, node, count).size();
    for (size_t m = 0; m < outputs.size(); ++m) {
      const auto [begin, end] = node_panels(plan, node, outputs[m]);
      for (int64_t panel = begin; panel < end;) {
        const int64_t wanted =
            std::clamp<int64_t>(left / plan.threads_of(node) / least, 1, kStreamedPanels / least) *
            least;
        const int64_t panels = std::min(wanted, end - panel);
        pieces_.push_back({static_cast<int64_t>(m), panel * kPanelRows,
                           std::min((panel + panels) * kPanelRows, outputs[m])});
        left -= panels;
        panel += panels;
      }
    }
    piece_ends_.push_back(std::ssize(pieces_));
  }
  return {pieces_, piece_ends_};
}

Pieces Pass::cut_in_turns(std::span<const int64_t> outputs, int64_t least) const {
  const Pieces cut = this->cut(outputs, least);
  turns_.clear();
  for (int64_t begin = 0; const int64_t end : cut.ends) {
    const auto of_first = [](const Piece& piece) { return piece.matrix == 0; };
    const auto first = cut.all.begin() + begin, last = cut.all.begin() + end;
    const auto others = std::find_if_not(first, last, of_first);
    const int64_t turns = std::min(others - first, last - others);
    for (int64_t i = 0; i < turns; ++i) turns_.insert(turns_.end(), {first[i], others[i]});
    turns_.insert(turns_.end(), first + turns, others);
    turns_.insert(turns_.end(), others + turns, last);
    begin = end;
  }
  return {turns_, piece_ends_};
}

void Pass::linear(std::initializer_list<Product> products) const {
  std::vector<int64_t> outputs;
  double ns = 0;
  for (const Product& p : products) {
    FATHOM_CHECK(p.x.cols() == p.w.cols && p.y.rows == p.x.rows() && p.y.cols == p.w.rows);
    outputs.push_back(p.w.rows);
    ns += product_ns(p.x.rows(), p.w.rows * p.w.cols);
  }
  const Pieces pieces = cut(outputs);
  const auto count = static_cast<int64_t>(pieces.all.size());
  const int64_t rows = products.begin()->x.rows();
  // A narrow matrix, such as the router's, has no piece for each thread: its rows are cut instead.
  const int64_t parts = count < pool_.threads() && rows >= kWorthCutting ? pool_.threads() : 1;
  for (int64_t& end : piece_ends_) end *= parts;
  share(ns, pieces.ends, [&](int64_t item, int) {
    const auto [matrix, first, last] = pieces[item / parts];
    const Product& p = products.begin()[matrix];
    const Mat<float> y = p.y.cols_from(first, last - first);
    if (parts == 1) return kernels_.linear(p.x, p.w, first, last, y);
    const int64_t begin = item % parts * rows / parts, end = (item % parts + 1) * rows / parts;
    kernels_.linear(p.x.part(begin, end - begin, p.w.cols), p.w, first, last,
                    y.rows_from(begin, end - begin));
  });
}

Activations Pass::prepare(ActivationBuffer& buffer, Mat<const float> x) const {
  const Activations result = buffer.reserve(numerics_, x);
  for_rows(x.rows, x.cols, [&](int64_t r, int) { fill_row(kernels_, result, r); });
  return result;
}

void Pass::rms_norm(std::span<const float> x, std::span<const float> weight, float* y) const {
  kernels_.rms_norm(x, weight, static_cast<float>(config_.rms_norm_eps), y);
}

void Pass::rms_norm(Mat<const float> x, std::span<const float> weight, Mat<float> y) const {
  for_rows(x.rows, x.cols, [&](int64_t r, int) { rms_norm(x.row_span(r), weight, y.row(r)); });
}

}  // namespace fathom
