#include "train/net.h"

#include <algorithm>
#include <type_traits>

#include "base/check.h"
#include "tensor/float_formats.h"
#include "train/ops.h"

namespace fathom::train {

template <typename T>
Net<T>::Net(const ModelConfig& config, const Layout& layout, ThreadPool& pool, Precision precision,
            Ranks* expert_ranks)
    : c_{config, layout, pool, precision},
      has_mtp_(config.num_nextn_predict_layers > 0),
      head_(c_),
      embed_(layout.offset("model.embed_tokens.weight")),
      final_norm_(layout.offset("model.norm.weight")) {
  c_.expert_ranks = expert_ranks;
  const int64_t layers = config.num_hidden_layers;
  for (int64_t i = 0; i < layers + (has_mtp_ ? 1 : 0); ++i) {
    blocks_.push_back(
        std::unique_ptr<Block>(new Block{Attention<T>(c_, attention_work_, layer_prefix(i)),
                                         FeedForward<T>(c_, experts_work_, i),
                                         {},
                                         {}}));
  }
  if (has_mtp_) {
    const std::string p = layer_prefix(layers);
    enorm_ = layout.offset(p + "enorm.weight");
    hnorm_ = layout.offset(p + "hnorm.weight");
    mtp_norm_ = layout.offset(p + "shared_head.norm.weight");
    eh_proj_ = Linear<T>(config.hidden_size, 2 * config.hidden_size,
                         layout.offset(p + "eh_proj.weight"), c_.high());
  }
}

template <typename T>
void Net<T>::load(const T* params, const float* bias) {
  c_.bias = bias;
  c_.params = params;
  if constexpr (std::is_same_v<T, float>) {
    if (c_.precision != Precision::kF32) {
      rounded_.resize(c_.layout.size);
      c_.pool.run(static_cast<int64_t>(c_.layout.params.size()), [&](int64_t i, int) {
        const Param& p = c_.layout.params[i];
        for (int64_t j = p.offset; j < p.offset + p.size(); ++j) {
          rounded_[j] =
              p.kind == ParamKind::kLinear ? params[j] : bf16_to_f32(f32_to_bf16(params[j]));
        }
      });
      c_.params = rounded_.data();
    }
  }
  head_.load(c_.params);
  if (has_mtp_) eh_proj_.load(c_.params);
  c_.pool.run(static_cast<int64_t>(blocks_.size()), [&](int64_t i, int) {
    blocks_[i]->attention.load(c_.params);
    blocks_[i]->ffn.load(c_.params);
  });
}

template <typename T>
void Net<T>::start(const MicroBatch& batch) {
  const bool new_length = batch.seq != c_.seq;
  c_.batch = batch.batch;
  c_.seq = batch.seq;
  c_.segment = batch.segment;
  if (new_length) c_.prepare_rope();
}

/// Embeddings of position t + shift of every sequence.
template <typename T>
void Net<T>::embed(const MicroBatch& batch, int64_t shift, T* x) const {
  const int64_t hidden = c_.config.hidden_size;
  for (int64_t i = 0; i < c_.tokens(); ++i) {
    const int64_t id = batch.ids[i / batch.seq * (batch.seq + 2) + i % batch.seq + shift];
    std::copy_n(c_.params + embed_ + id * hidden, hidden, x + i * hidden);
  }
}

template <typename T>
void Net<T>::embed_back(const MicroBatch& batch, int64_t shift, const T* dx) {
  const int64_t hidden = c_.config.hidden_size;
  for (int64_t i = 0; i < c_.tokens(); ++i) {
    const int64_t id = batch.ids[i / batch.seq * (batch.seq + 2) + i % batch.seq + shift];
    axpy(T(1), dx + i * hidden, hidden, c_.grads + embed_ + id * hidden);
  }
}

template <typename T>
const T* Net<T>::run_block(Block& block, const T* x) {
  const int64_t n = c_.tokens() * c_.config.hidden_size;
  block.attention.forward(c_, x, block.mid.resize(n));
  block.ffn.forward(c_, block.mid.data(), block.out.resize(n));
  return block.out.data();
}

template <typename T>
void Net<T>::block_back(Block& block, const T* x, T* dx) {
  block.ffn.backward(c_, block.mid.data(), dx);
  block.attention.backward(c_, x, dx);
}

template <typename T>
void Net<T>::forward_main(const MicroBatch& batch) {
  const int64_t n = c_.tokens(), hidden = c_.config.hidden_size;
  embed(batch, 0, x_.resize(n * hidden));
  const T* x = x_.data();
  for (int64_t i = 0; i < c_.config.num_hidden_layers; ++i) x = run_block(*blocks_[i], x);
  norm_rows(c_, x, hidden, final_norm_, n, hidden, normed_.resize(n * hidden), inv_.resize(n));
}

/// z = eh_proj [enorm(embedding of the next token); hnorm(main output after its norm)], one block,
/// shared_head.norm.
template <typename T>
void Net<T>::forward_mtp(const MicroBatch& batch) {
  const int64_t n = c_.tokens(), hidden = c_.config.hidden_size;
  embed(batch, 1, next_.resize(n * hidden));
  T* joined = joined_.resize(n * 2 * hidden);
  T* e_inv = e_inv_.resize(n);
  T* h_inv = h_inv_.resize(n);
  c_.pool.run(n, [&](int64_t i, int) {
    rmsnorm(next_.data() + i * hidden, c_.params + enorm_, hidden, c_.config.rms_norm_eps,
            joined + i * 2 * hidden, e_inv + i);
    rmsnorm(normed_.data() + i * hidden, c_.params + hnorm_, hidden, c_.config.rms_norm_eps,
            joined + (i * 2 + 1) * hidden, h_inv + i);
  });
  rows_.assign(c_.pool, {joined, 2 * hidden, nullptr, n, 2 * hidden}, eh_proj_.format(),
               ScaleKind::kExact);
  eh_proj_.forward_all(c_.pool, rows_, z_.resize(n * hidden), hidden);
  const T* out = run_block(*blocks_.back(), z_.data());
  norm_rows(c_, out, hidden, mtp_norm_, n, hidden, mtp_normed_.resize(n * hidden),
            mtp_inv_.resize(n));
}

/// From the gradient of mtp_normed_ (in d_) to the embeddings' and, added, to d_normed.
template <typename T>
void Net<T>::backward_mtp(const MicroBatch& batch, T* d_normed) {
  const int64_t n = c_.tokens(), hidden = c_.config.hidden_size;
  Block& block = *blocks_.back();
  T* dx = d_half_.resize(n * hidden);
  std::fill_n(dx, n * hidden, T(0));
  norm_rows_back(c_, block.out.data(), hidden, mtp_norm_, n, hidden, d_.data(), mtp_inv_.data(), dx,
                 hidden);
  block_back(block, z_.data(), dx);

  const Dense<T> d_z{dx, hidden, nullptr, n, hidden};
  rows_.assign(c_.pool, d_z, eh_proj_.format(), ScaleKind::kExact);
  T* d_joined = d_joined_.resize(n * 2 * hidden);
  eh_proj_.dgrad_all(c_.pool, rows_, d_joined, 2 * hidden, false);
  left_.assign(c_.pool, d_z, eh_proj_.format(), ScaleKind::kExact);
  right_.assign(c_.pool, {joined_.data(), 2 * hidden, nullptr, n, 2 * hidden}, eh_proj_.format(),
                ScaleKind::kExact);
  eh_proj_.wgrad_all(c_.pool, left_, right_, c_.grads);

  const auto half = [&](int64_t which) {
    for (int64_t i = 0; i < n; ++i) {
      std::copy_n(d_joined + (i * 2 + which) * hidden, hidden, d_.data() + i * hidden);
    }
  };
  half(1);
  norm_rows_back(c_, normed_.data(), hidden, hnorm_, n, hidden, d_.data(), h_inv_.data(), d_normed,
                 hidden);
  half(0);
  std::fill_n(dx, n * hidden, T(0));
  norm_rows_back(c_, next_.data(), hidden, enorm_, n, hidden, d_.data(), e_inv_.data(), dx, hidden);
  embed_back(batch, 1, dx);
}

namespace {

/// Ids of position t + shift where they count, else -1.
std::vector<int32_t> targets(const MicroBatch& batch, int64_t shift) {
  std::vector<int32_t> target(static_cast<size_t>(batch.batch * batch.seq));
  for (size_t i = 0; i < target.size(); ++i) {
    const int64_t at = static_cast<int64_t>(i) / batch.seq * (batch.seq + 2) +
                       static_cast<int64_t>(i) % batch.seq + shift;
    target[i] = !batch.mask || batch.mask[at] ? batch.ids[at] : -1;
  }
  return target;
}

}  // namespace

template <typename T>
LossSums Net<T>::run(const MicroBatch& batch, const LossScales& scales, bool backward) {
  start(batch);
  const int64_t n = c_.tokens(), hidden = c_.config.hidden_size,
                layers = c_.config.num_hidden_layers;
  c_.balance_scale = scales.balance;
  forward_main(batch);
  LossSums sums;
  T* d_normed = backward ? d_normed_.resize(n * hidden) : nullptr;
  const HeadSums main =
      head_.loss(c_, normed_.data(), targets(batch, 1).data(), n, scales.main, d_normed);
  sums.main = main.loss;
  sums.main_tokens = main.tokens;
  T* d = backward ? d_.resize(n * hidden) : nullptr;
  if (has_mtp_) {
    forward_mtp(batch);
    const HeadSums mtp =
        head_.loss(c_, mtp_normed_.data(), targets(batch, 2).data(), n, scales.mtp, d);
    sums.mtp = mtp.loss;
    sums.mtp_tokens = mtp.tokens;
    sums.mtp_correct = mtp.correct;
  }
  for (const auto& block : blocks_) sums.balance += block->ffn.balance_loss();
  if (!backward) return sums;

  if (has_mtp_) backward_mtp(batch, d_normed);
  std::fill_n(d, n * hidden, T(0));
  const T* last = layers > 0 ? blocks_[layers - 1]->out.data() : x_.data();
  norm_rows_back(c_, last, hidden, final_norm_, n, hidden, d_normed, inv_.data(), d, hidden);
  for (int64_t i = layers - 1; i >= 0; --i) {
    block_back(*blocks_[i], i > 0 ? blocks_[i - 1]->out.data() : x_.data(), d);
  }
  embed_back(batch, 0, d);
  return sums;
}

template <typename T>
LossSums Net<T>::train(const MicroBatch& batch, const LossScales& scales, T* grads, int64_t* load) {
  return train(batch, scales, std::vector<T*>(1, grads), load);
}

template <typename T>
LossSums Net<T>::train(const MicroBatch& batch, const LossScales& scales,
                       const std::vector<T*>& grads, int64_t* load) {
  c_.source_grads = grads;
  c_.grads = grads[c_.expert_ranks ? c_.expert_ranks->rank() : 0];
  c_.load = load;
  return run(batch, scales, true);
}

template <typename T>
LossSums Net<T>::evaluate(const MicroBatch& batch, int64_t* load) {
  c_.load = load;
  return run(batch, {}, false);
}

template <typename T>
void Net<T>::logits(const MicroBatch& batch, std::vector<T>& main, std::vector<T>* mtp) {
  start(batch);
  c_.load = nullptr;
  c_.balance_scale = 0;
  const int64_t n = c_.tokens();
  forward_main(batch);
  main.resize(n * c_.config.vocab_size);
  head_.logits(c_, normed_.data(), n, main.data());
  if (!mtp) return;
  forward_mtp(batch);
  mtp->resize(main.size());
  head_.logits(c_, mtp_normed_.data(), n, mtp->data());
}

template class Net<float>;
template class Net<double>;

}  // namespace fathom::train
