// The network: embedding, blocks, output head, the MTP block, and their losses.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "train/attention.h"
#include "train/head.h"
#include "train/moe.h"

namespace fathom::train {

/// One micro-batch. Sequence b is ids[b * (seq + 2) ...]: seq inputs and two more, the targets of
/// the last positions. `mask` has the same shape: 1 where predicting this token counts; null:
/// everywhere. `segment` [batch, seq]: first position that each may attend to (null: 0).
struct MicroBatch {
  int64_t batch = 0;
  int64_t seq = 0;
  const int32_t* ids = nullptr;
  const uint8_t* mask = nullptr;
  const int32_t* segment = nullptr;
};

/// What one token's loss weighs in the step: 1 / the step's counted tokens (times the MTP weight).
struct LossScales {
  double main = 1;
  double mtp = 0;
  double balance = 0;  // alpha / the step's sequences
};

/// Sums over one micro-batch, unscaled.
struct LossSums {
  double main = 0;
  double mtp = 0;
  double balance = 0;  // scaled as in the objective
  int64_t main_tokens = 0;
  int64_t mtp_tokens = 0;
  int64_t mtp_correct = 0;  // MTP's best token is the target: what a draft's acceptance rests on
};

template <typename T>
class Net {
 public:
  /// `config`, `layout`, `pool` and `expert_ranks` outlive the net. With expert_ranks (not null)
  /// the routed experts are divided over them as the layout says, and every pass is made by all
  /// ranks together.
  Net(const ModelConfig& config, const Layout& layout, ThreadPool& pool, Precision precision,
      Ranks* expert_ranks = nullptr);

  /// Takes new parameters: in BF16 and FP8 runs, what is not multiplied in FP8 is rounded to BF16
  /// as the exported checkpoint holds it.
  void load(const T* params, const float* bias);

  /// Forward and backward; grads [layout.size] +=, load [moe layers, experts] += (may be null).
  LossSums train(const MicroBatch& batch, const LossScales& scales, T* grads, int64_t* load);
  /// With divided experts: grads[r] takes the gradients from rank r's tokens, of this rank's
  /// experts; from its own, of all parameters here.
  LossSums train(const MicroBatch& batch, const LossScales& scales, const std::vector<T*>& grads,
                 int64_t* load);
  /// Losses alone.
  LossSums evaluate(const MicroBatch& batch, int64_t* load);
  /// Logits [batch * seq, vocab] of the main head, and of the MTP head when `mtp` is not null.
  void logits(const MicroBatch& batch, std::vector<T>& main, std::vector<T>* mtp);

 private:
  struct Block {
    Attention<T> attention;
    FeedForward<T> ffn;
    Array<T> mid, out;
  };

  void start(const MicroBatch& batch);
  void embed(const MicroBatch& batch, int64_t shift, T* x) const;
  void embed_back(const MicroBatch& batch, int64_t shift, const T* dx);
  void forward_main(const MicroBatch& batch);
  void forward_mtp(const MicroBatch& batch);
  void backward_mtp(const MicroBatch& batch, T* d_normed);
  const T* run_block(Block& block, const T* x);
  void block_back(Block& block, const T* x, T* dx);
  LossSums run(const MicroBatch& batch, const LossScales& scales, bool backward);

  Context<T> c_;
  std::vector<T> rounded_;  // the parameters as the forward pass sees them
  AttentionWork<T> attention_work_;
  ExpertsWork<T> experts_work_;
  std::vector<std::unique_ptr<Block>> blocks_;  // the MTP block last
  bool has_mtp_;
  Head<T> head_;
  int64_t embed_, final_norm_;
  int64_t enorm_ = 0, hnorm_ = 0, mtp_norm_ = 0;
  Linear<T> eh_proj_;

  Array<T> x_, normed_, inv_, d_, d_normed_;
  Array<T> next_, joined_, e_inv_, h_inv_, z_, mtp_normed_, mtp_inv_, d_joined_, d_half_;
  Rows<T> rows_;
  Pairs<T> left_, right_;
};

extern template class Net<float>;
extern template class Net<double>;

}  // namespace fathom::train
