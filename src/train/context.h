// What every module of the network shares during one pass.
#pragma once

#include <cstdint>
#include <vector>

#include "base/thread_pool.h"
#include "checkpoint/config.h"
#include "train/layout.h"
#include "train/operand.h"
#include "train/ranks.h"

namespace fathom::train {

/// Growing scratch memory of one thread, one slot a purpose.
template <typename T>
class Scratch {
 public:
  T* get(int slot, int64_t n) {
    if (slots_.size() <= static_cast<size_t>(slot)) slots_.resize(slot + 1);
    ensure(slots_[slot], n * static_cast<int64_t>(sizeof(T)));
    return slots_[slot].template as<T>();
  }

 private:
  std::vector<Buffer> slots_;
};

/// An array that keeps its size between passes and is not cleared.
template <typename T>
struct Array {
  Buffer buffer;
  T* resize(int64_t n) {
    ensure(buffer, n * static_cast<int64_t>(sizeof(T)));
    return data();
  }
  T* data() const { return buffer.as<T>(); }
};

template <typename T>
struct Context {
  const ModelConfig& config;
  const Layout& layout;
  ThreadPool& pool;
  Precision precision = Precision::kF32;

  int64_t batch = 0;
  int64_t seq = 0;
  const T* params = nullptr;  // as the forward pass sees them
  T* grads = nullptr;         // += by the backward pass
  /// Where the routed experts are divided over ranks (else null), and for each rank where the
  /// experts' gradients from its tokens are summed.
  Ranks* expert_ranks = nullptr;
  std::vector<T*> source_grads = {};
  const float* bias = nullptr;  // [moe layers, experts]: e_score_correction_bias
  int64_t* load = nullptr;      // [moe layers, experts]: += tokens routed
  double balance_scale = 0;     // alpha / sequences of the step
  /// First position each token may attend to, within its sequence: [batch, seq]; null: 0.
  const int32_t* segment = nullptr;

  std::vector<T> cosine = {}, sine = {};  // [seq, rope / 2]
  T softmax_scale = 0;
  std::vector<Scratch<T>> scratch = {};  // one a thread

  int64_t tokens() const { return batch * seq; }
  /// Of a Linear of the trunk.
  Format trunk() const {
    return precision == Precision::kFP8    ? Format::kFP8
           : precision == Precision::kBF16 ? Format::kBF16
                                           : Format::kDense;
  }
  /// Of the head and eh_proj.
  Format high() const { return precision == Precision::kF32 ? Format::kDense : Format::kBF16; }
  bool fp8() const { return precision == Precision::kFP8; }

  /// Fills cosine, sine and softmax_scale for positions 0 .. seq.
  void prepare_rope();
};

/// RMSNorm of rows over the pool; w at `offset` of the parameters. inv [rows].
template <typename T>
void norm_rows(const Context<T>& c, const T* x, int64_t ld, int64_t offset, int64_t rows, int64_t n,
               T* y, T* inv);

/// dx (row i at dx + i * ld, like x) +=, and the weight's gradient, in a fixed order over blocks of
/// rows.
template <typename T>
void norm_rows_back(Context<T>& c, const T* x, int64_t ld, int64_t offset, int64_t rows, int64_t n,
                    const T* dy, const T* inv, T* dx, int64_t lddx);

extern template struct Context<float>;
extern template struct Context<double>;

}  // namespace fathom::train
