// A group of gated MLPs, down(silu(gate(x)) * up(x)), over rows sorted by expert. A dense MLP is a
// group of one.
#pragma once

#include <string>
#include <vector>

#include "train/context.h"
#include "train/linear.h"

namespace fathom::train {

/// Where each expert's rows lie, or each group's where experts have several. Every expert's first
/// slot is a multiple of 128, the slots behind its last row are empty: the products' tiles of
/// tokens never mix experts.
struct Slots {
  std::vector<int64_t> first;  // [experts + 1]
  std::vector<int64_t> count;  // [experts]
  std::vector<int32_t> token;  // [slots]: row of x; -1: empty
  struct Block {
    int64_t expert, first, count;
  };
  std::vector<Block> blocks;  // pieces of at most 128 slots

  /// token_of[e]: the rows of expert e, ascending.
  void assign(const std::vector<std::vector<int32_t>>& token_of);
  /// One expert over rows 0 .. rows.
  void assign_all(int64_t rows);
  int64_t size() const { return first.empty() ? 0 : first.back(); }
};

/// Buffers of one pass, shared by the groups of a network.
template <typename T>
struct ExpertsWork {
  Rows<T> in;
  Pairs<T> d_out, hidden, d_gate, d_up, act;
  Array<T> act_dense, d_gate_dense, d_up_dense;  // [slots, width]
  struct Thread {
    Rows<T> act, d_gate, d_up;
  };
  std::vector<Thread> threads;
};

template <typename T>
class Experts {
 public:
  using Work = ExpertsWork<T>;
  /// prefixes[e] + "gate_proj.weight" and so on. `divided`: the slots hold a group of these experts
  /// for each rank, and gradients go to c.source_grads.
  Experts(const Context<T>& c, Work& work, const std::vector<std::string>& prefixes, int64_t width,
          bool divided = false);

  void load(const T* params);
  /// x: the tokens' rows, ready for products. out [slots, hidden].
  void forward(Context<T>& c, const Slots& slots, const Rows<T>& x, T* out);
  /// dy: gradient of the combined output, as rows and dense, per token; slot s took part with
  /// weight weight[s] (null: 1), whose gradient goes to d_weight[s]. h: the tokens' inputs, dense.
  /// The inputs' gradient goes to d_in [slots, hidden].
  void backward(Context<T>& c, const Slots& slots, const Dense<T>& h, const Rows<T>& dy,
                const T* weight, T* d_weight, T* d_in);

 private:
  struct Mlp {
    Linear<T> gate, up, down;
  };
  void backward_block(Context<T>& c, Work& w, const Slots& slots, const Slots::Block& block,
                      const Dense<T>& h, const T* weight, T* d_weight, T* d_in, int thread);

  const Mlp& mlp_of(int64_t group) const { return mlps_[group % mlps_.size()]; }

  Work& work_;
  std::vector<Mlp> mlps_;
  int64_t width_;
  bool divided_;
  // The SwiGLU's inputs, kept for the backward pass: in FP8 with 1x128 scales, or as they are.
  Array<T> gate_, up_;
  Array<uint8_t> gate_codes_, up_codes_;
  Array<float> gate_scale_, up_scale_;
};

extern template class Experts<float>;
extern template class Experts<double>;

}  // namespace fathom::train
