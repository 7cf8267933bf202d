// The gate and the mixture of experts.
#pragma once

#include <string>
#include <vector>

#include "train/expert_exchange.h"
#include "train/experts.h"

namespace fathom::train {

/// Sigmoid affinities, chosen by their biased values within the best groups, weighted by the
/// unbiased ones (technical report, 2.1.2).
template <typename T>
class Gate {
 public:
  Gate(const Context<T>& c, int64_t layer, int64_t moe_index);

  /// Scores every token of h [tokens, hidden] and chooses its experts; adds to c.load.
  void forward(Context<T>& c, const T* h);
  /// From the weights' gradients [tokens, chosen]: the affinities' (with the balance loss' share),
  /// then the router's weight, and d_h += .
  void backward(Context<T>& c, const T* h, const T* d_weights, T* d_h);

  const std::vector<int32_t>& chosen() const { return chosen_; }  // [tokens, chosen]
  const std::vector<T>& weights() const { return weights_; }      // [tokens, chosen]
  /// This layer's sequence-wise balance loss, summed over the sequences, times c.balance_scale.
  double balance_loss() const { return balance_loss_; }

 private:
  void choose(const Context<T>& c, const T* scores, int32_t* chosen, T* weights) const;
  void balance(Context<T>& c);

  int64_t offset_;     // of the router's weight
  int64_t moe_index_;  // row of bias and load
  double balance_loss_ = 0;
  std::vector<T> scores_;  // [tokens, experts]
  std::vector<T> weights_;
  std::vector<int32_t> chosen_;
  std::vector<T> balance_;  // [batch, experts]: d loss / d normalized affinity
};

/// y = x + shared(h) + sum of weight * expert(h), h = norm(x). Without experts: y = x + mlp(h).
template <typename T>
class FeedForward {
 public:
  FeedForward(const Context<T>& c, ExpertsWork<T>& work, int64_t layer);

  void load(const T* params);
  void forward(Context<T>& c, const T* x, T* y);
  /// dx holds the gradient of y and becomes that of x.
  void backward(Context<T>& c, const T* x, T* dx);
  double balance_loss() const { return gate_.empty() ? 0 : gate_[0].balance_loss(); }
  /// Null for a dense layer.
  const Gate<T>* gate() const { return gate_.empty() ? nullptr : &gate_[0]; }

 private:
  void dispatch(const Context<T>& c);
  void forward_routed(Context<T>& c, const T* h);
  void backward_routed(Context<T>& c, const T* h, const T* dy);

  int64_t norm_;
  std::vector<Gate<T>> gate_;       // one, or none in a dense layer
  std::vector<Experts<T>> routed_;  // likewise
  std::vector<Experts<T>> always_;  // shared experts, or the dense MLP; may be none
  Slots slots_, all_;
  ExpertExchange<T> exchange_;    // in use where the experts are divided over ranks
  std::vector<int32_t> slot_of_;  // [tokens, chosen]: a slot, or a row of the exchange's choices
  std::vector<T> slot_weight_;    // [slots], or [choices]
  // Of the routed experts: outputs, later the inputs' gradients, and the weights' gradients, one
  // row a slot or choice.
  const T* routed_out_ = nullptr;
  const T* routed_d_weight_ = nullptr;
  Array<T> inv_, h_, out_, always_out_, d_weight_, d_h_;
  Array<T> came_h_, came_dy_, came_weight_, returned_, returned_weight_;
  std::vector<T> d_weights_;
  Rows<T> rows_, came_rows_;
};

extern template class Gate<float>;
extern template class Gate<double>;
extern template class FeedForward<float>;
extern template class FeedForward<double>;

}  // namespace fathom::train
