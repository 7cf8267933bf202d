#include "model/transformer.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/processors.h"
#include "model/head.h"
#include "model/layers.h"
#include "model/pass.h"
#include "tensor/float_formats.h"
#include "weights/fingerprint.h"

namespace fathom {
namespace {

void add(float* x, std::span<const float> y) {
  for (float v : y) *x++ += v;
}

void read_row(const WeightView& w, int64_t row, float* out) {
  for (int64_t i = 0; i < w.cols; ++i) {
    const int64_t at = row * w.cols + i;
    switch (w.dtype) {
      case DType::kF32:
        out[i] = static_cast<const float*>(w.data)[at];
        break;
      case DType::kBF16:
        out[i] = bf16_to_f32(static_cast<const uint16_t*>(w.data)[at]);
        break;
      default:
        out[i] = e4m3_to_f32(static_cast<const uint8_t*>(w.data)[at]) *
                 w.scale[row / kScaleBlock * w.scale_cols() + i / kScaleBlock];
    }
  }
}

}  // namespace

struct Transformer::State {
  State(ModelWeights w, const TransformerOptions& options)
      : weights(std::move(w)),
        config(weights.config()),
        weights_name(weights_fingerprint(weights.checkpoint())),
        pool(options.threads > 0 ? options.threads : available_processors(),
             options.nodes.empty() ? numa_nodes() : options.nodes),
        pass(config, options.kernels ? *options.kernels : kernels(), options.numerics, pool,
             options.worth_sharing_ns) {
    const AbsorbedShape shape{config.num_attention_heads, config.qk_nope_head_dim,
                              config.v_head_dim, config.kv_lora_rank};
    heads.resize(weights.layers.size() + weights.mtp.size());
    pool.run(static_cast<int64_t>(heads.size()), [&](int64_t i, int) {
      const auto layer = static_cast<size_t>(i);
      const size_t main = weights.layers.size();
      const LayerWeights& w =
          layer < main ? weights.layers[layer] : weights.mtp[layer - main].layer;
      const WeightView& kv_b = w.attention.kv_b;
      heads[layer] = AbsorbedWeights(pass.kernels(), kv_b, shape);
      weights.checkpoint().release(kv_b.data, kv_b.bytes());
    });
    if (options.numerics == Numerics::kInt8) {
      int8.emplace(weights, pass.kernels(), pool, options.on_regroup);
    } else if (options.move_weights) {
      mover.emplace(weights, pass.kernels(), pool.plan(), options.outlined_weights);
    }
  }

  // The residual stream through a layer's attention, in place; `normed` becomes what its MLP takes.
  void attend(const LayerWeights& w, int64_t layer, Mat<float> x, Mat<float> normed) {
    const Mat<float> out = out_.get(x.rows, x.cols);
    pass.rms_norm(x, w.input_norm, normed);
    attention(pass, w.attention, heads[static_cast<size_t>(layer)], layer, normed, out);
    pass.for_rows(x.rows, x.cols, [&](int64_t r, int) {
      add(x.row(r), out.row_span(r));
      pass.rms_norm(x.row_span(r), w.post_norm, normed.row(r));
    });
  }

  // And through its MLP or experts.
  void transform(const LayerWeights& w, int64_t layer, Mat<float> x, Mat<float> normed) {
    const Mat<float> out = out_.get(x.rows, x.cols);
    if (w.moe) {
      moe(pass, *w.moe, layer, normed, out, observer);
    } else {
      const OpTimer timer(pass.profile, Op::kMlp);
      const MlpGroup all{&*w.mlp, {}, {}};
      mlps(pass, {&all, 1}, pass.prepare(mlp_in_, normed), out);
    }
    pass.for_rows(x.rows, x.cols, [&](int64_t r, int) { add(x.row(r), out.row_span(r)); });
    if (observer) observer->on_hidden(layer, x);
  }

  // The same for some rows: of the last layer nothing else is used of the others than its cache.
  void transform_rows(const LayerWeights& w, int64_t layer, std::span<const int64_t> rows,
                      Mat<float> x, Mat<float> normed) {
    if (std::ssize(rows) == x.rows) return transform(w, layer, x, normed);
    if (rows.empty()) return;
    const Mat<float> some = some_x_.get(std::ssize(rows), x.cols);
    const Mat<float> some_normed = some_normed_.get(some.rows, x.cols);
    for (int64_t i = 0; i < some.rows; ++i) {
      std::copy_n(x.row(rows[static_cast<size_t>(i)]), x.cols, some.row(i));
      std::copy_n(normed.row(rows[static_cast<size_t>(i)]), x.cols, some_normed.row(i));
    }
    transform(w, layer, some, some_normed);
    for (int64_t i = 0; i < some.rows; ++i) {
      std::copy_n(some.row(i), x.cols, x.row(rows[static_cast<size_t>(i)]));
    }
  }

  void check(int32_t token, int64_t start, size_t count) const {
    if (token < 0 || token >= config.vocab_size) {
      fail(ErrorKind::kBadInput, "token id {}: expected 0 to {}", token, config.vocab_size - 1);
    }
    const int64_t end = start + static_cast<int64_t>(count);
    if (end > config.max_position_embeddings) {
      fail(ErrorKind::kBadInput, "{} tokens: the model's context holds {}", end,
           config.max_position_embeddings);
    }
  }

  // Logits of each sequence's last rows. [sum of logit_rows, vocab]
  template <typename Sequence>
  Mat<const float> project_head(std::span<const Sequence> batch, Mat<const float> hidden,
                                const WeightView& w, const HeadOutline& outline) {
    const OpTimer timer(pass.profile, Op::kHead);
    logit_rows_.clear();
    int64_t end = 0;
    for (const Sequence& s : batch) {
      end += static_cast<int64_t>(row_count(s));
      for (int64_t i = 0; i < s.logit_rows; ++i) {
        logit_rows_.push_back({hidden.row(end - s.logit_rows + i), s.choice, i});
      }
    }
    return head_.project(logit_rows_, w, outline);
  }

  static size_t row_count(const StepSequence& s) { return s.tokens.size(); }
  static size_t row_count(const DraftSequence& s) { return s.next_tokens.size(); }

  template <typename Sequence>
  void place(std::span<const Sequence> batch, PlacedRows& rows) const {
    rows.places.clear();
    for (const Sequence& s : batch) {
      const auto count = static_cast<int64_t>(row_count(s));
      FATHOM_CHECK(s.logit_rows >= 0 && s.logit_rows <= count);
      FATHOM_CHECK(static_cast<int64_t>(s.pages.size()) * kCachePage >= s.start + count);
      for (int64_t i = 0; i < count; ++i) rows.places.push_back({s.start + i, s.pages});
    }
    pass.turn(rows);
  }

  // A forward pass on its way, after some halves of layers.
  struct Underway {
    std::vector<StepSequence> batch;
    PlacedRows rows;
    Scratch stream_memory, normed_memory;
    Mat<float> x, normed;         // the residual stream; what the next MLP takes
    std::vector<int64_t> wanted;  // rows of which the last layer's output is
    size_t halves = 0;
  };

  void begin(Underway& u, std::span<const StepSequence> batch) {
    for (const StepSequence& s : batch) {
      for (int32_t token : s.tokens) check(token, s.start, s.tokens.size());
    }
    u.batch.assign(batch.begin(), batch.end());
    place(batch, u.rows);
    u.x = u.stream_memory.get(std::ssize(u.rows.places), config.hidden_size);
    u.normed = u.normed_memory.get(u.x.rows, u.x.cols);
    u.halves = 0;
    u.wanted.clear();
    int64_t row = 0;
    for (const StepSequence& s : batch) {
      const int64_t end = row + std::ssize(s.tokens);
      for (int64_t r = s.all_hidden ? row : end - s.logit_rows; r < end; ++r) u.wanted.push_back(r);
      for (int32_t token : s.tokens) read_row(weights.embed, token, u.x.row(row++));
    }
    if (observer) observer->on_hidden(-1, u.x);
  }

  // A layer's attention, then its MLP; after the last one the head.
  std::optional<StepOutput> advance(Underway& u) {
    pass.go_on_with(u.rows);
    const size_t layer = u.halves / 2, layers = weights.layers.size();
    if (layer < layers) {
      const LayerWeights& w = weights.layers[layer];
      const auto number = static_cast<int64_t>(layer);
      if (u.halves++ % 2 == 0) {
        attend(w, number, u.x, u.normed);
      } else if (layer + 1 < layers) {
        transform(w, number, u.x, u.normed);
      } else {
        transform_rows(w, number, u.wanted, u.x, u.normed);
      }
      return std::nullopt;
    }
    pass.rms_norm(u.x, weights.final_norm, u.x);
    if (observer) observer->on_final_norm(u.x);
    return StepOutput{project_head(std::span<const StepSequence>(u.batch), u.x, weights.head,
                                   weights.head_outline),
                      u.x};
  }

  StepOutput forward(std::span<const StepSequence> batch) {
    begin(step, batch);
    for (;;) {
      if (const auto output = advance(step)) return *output;
    }
  }

  StepOutput draft(std::span<const DraftSequence> batch) {
    FATHOM_CHECK(!weights.mtp.empty());
    const MtpWeights& w = weights.mtp.front();
    for (const DraftSequence& s : batch) {
      FATHOM_CHECK(s.hidden.rows == static_cast<int64_t>(s.next_tokens.size()));
      for (int32_t token : s.next_tokens) check(token, s.start, s.next_tokens.size());
    }
    place(batch, draft_rows_);
    pass.go_on_with(draft_rows_);
    const auto total = std::ssize(draft_rows_.places);
    const Mat<float> joined = joined_.get(total, 2 * config.hidden_size);
    int64_t row = 0;
    for (const DraftSequence& s : batch) {
      for (size_t i = 0; i < s.next_tokens.size(); ++i) {
        const Mat<float> embedding = joined.rows_from(row, 1).cols_from(0, config.hidden_size);
        const Mat<float> previous =
            joined.rows_from(row, 1).cols_from(config.hidden_size, config.hidden_size);
        read_row(w.embed, s.next_tokens[i], embedding.data);
        pass.rms_norm(embedding, w.enorm, embedding);
        pass.rms_norm(s.hidden.rows_from(static_cast<int64_t>(i), 1), w.hnorm, previous);
        ++row;
      }
    }
    const Mat<float> x = draft_x_.get(total, config.hidden_size);
    pass.linear(pass.prepare(joined_in_, joined), w.eh_proj, x);
    const Mat<float> normed = draft_normed_.get(x.rows, x.cols);
    attend(w.layer, config.num_hidden_layers, x, normed);
    transform(w.layer, config.num_hidden_layers, x, normed);
    pass.rms_norm(x, w.head_norm, x);
    return {project_head(batch, x, w.head, w.head_outline), x};
  }

  ModelWeights weights;
  const ModelConfig& config;
  const std::string weights_name;
  ThreadPool pool;
  Pass pass;
  std::vector<AbsorbedWeights> heads;  // of each layer, MTP layers after the others
  ForwardObserver* observer = nullptr;
  std::optional<Int8Weights> int8;
  std::optional<WeightMover> mover;  // after what it moves
  Underway step, pieces;             // forward()'s, and that of begin() and advance()

  // Held over a pass: no weight moves meanwhile.
  std::optional<WeightMover::Pass> hold_weights() {
    std::optional<WeightMover::Pass> hold;
    if (mover) hold.emplace(*mover);
    return hold;
  }

 private:
  PlacedRows draft_rows_;
  Scratch draft_x_, draft_normed_, joined_, out_, some_x_, some_normed_;
  ActivationBuffer joined_in_, mlp_in_;
  Head head_{pass};
  std::vector<LogitRow> logit_rows_;
};

Transformer::Transformer(ModelWeights weights, const TransformerOptions& options)
    : state_(std::make_unique<State>(std::move(weights), options)) {}
Transformer::~Transformer() = default;

const ModelConfig& Transformer::config() const { return state_->config; }
std::string Transformer::fingerprint() const {
  return fmt::format("{}-{}-{}-2", state_->weights_name, numerics_name(state_->pass.numerics()),
                     state_->pass.kernels().name);
}
std::string Transformer::page_origin() const {
  return fingerprint() + "-" + weights_files(state_->weights.checkpoint());
}
size_t Transformer::page_bytes() const { return state_->pass.cache().page_bytes(); }
bool Transformer::has_mtp() const { return !state_->weights.mtp.empty(); }
void Transformer::set_observer(ForwardObserver* observer) { state_->observer = observer; }
WeightMoveStatus Transformer::weight_move() const {
  if (state_->mover) return state_->mover->status();
  WeightMoveStatus status;
  status.finished = true;
  if (state_->int8) {
    status.total_bytes = status.moved_bytes = state_->int8->bytes();
    status.seconds = state_->int8->seconds();
    status.panels = state_->int8->panels();
  }
  return status;
}
void Transformer::await_weights() {
  if (state_->mover) state_->mover->wait();
}
void Transformer::set_profile(OpProfile* profile) { state_->pass.profile = profile; }
Numerics Transformer::numerics() const { return state_->pass.numerics(); }
bool Transformer::outlines(int64_t rows) const {
  return state_->weights.head_outline && rows <= Head::kOutlinedRows;
}
int Transformer::threads() const { return state_->pool.threads(); }
std::span<const double> Transformer::rope_frequencies() const { return state_->pass.frequencies(); }

StepOutput Transformer::forward(std::span<const StepSequence> batch) {
  const auto hold = state_->hold_weights();
  const ThreadPool::Burst burst(state_->pool);
  return state_->forward(batch);
}
void Transformer::begin(std::span<const StepSequence> batch) {
  state_->begin(state_->pieces, batch);
}
std::optional<StepOutput> Transformer::advance() {
  const auto hold = state_->hold_weights();
  const ThreadPool::Burst burst(state_->pool);
  return state_->advance(state_->pieces);
}
StepOutput Transformer::draft(std::span<const DraftSequence> batch) {
  const auto hold = state_->hold_weights();
  const ThreadPool::Burst burst(state_->pool);
  return state_->draft(batch);
}

std::span<std::byte* const> SequencePages::reserve(int64_t length) {
  const auto missing =
      static_cast<size_t>(std::max<int64_t>(ceil_div(length, kPageTokens) - std::ssize(pages_), 0));
  if (missing > 0) buffers_.emplace_back(missing * page_bytes_);
  for (size_t i = 0; i < missing; ++i) {
    pages_.push_back(buffers_.back().data() + i * page_bytes_);
  }
  return pages_;
}

}  // namespace fathom
