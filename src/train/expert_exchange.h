// Tokens on their way to the ranks that hold their experts, and results on their way back.
#pragma once

#include <cstdint>
#include <vector>

#include "train/context.h"
#include "train/experts.h"

namespace fathom::train {

/// One layer's all-to-all, where the routed experts are divided over c.expert_ranks. A choice is a
/// pair of a token and one of its experts; choices are sorted by expert, tokens ascending in each.
/// What arrives keeps rank by rank apart: each is padded to tiles of its own, so that no sum over
/// tokens depends on how many ranks there are. Every method is called by all ranks together.
template <typename T>
class ExpertExchange {
 public:
  /// token_of[e]: this rank's tokens for expert e, of all the model's experts.
  void plan(const Context<T>& c, const std::vector<std::vector<int32_t>>& token_of);

  /// What arrived: group (rank * experts here + expert) of rows of the arrays that bring gives.
  const Slots& slots() const { return slots_; }
  int64_t arrived() const { return static_cast<int64_t>(slot_of_.size()); }

  /// Takes the rows x [tokens, width] of every choice to its expert: [arrived, width] in `to`.
  const T* bring_rows(const Context<T>& c, const T* x, int64_t width, Array<T>& to);
  /// Takes a number for every choice there: [slots] in `to`.
  const T* bring_numbers(const Context<T>& c, const T* x, Array<T>& to);
  /// Takes rows y [slots, width] back where they came from: [choices, width] in `to`.
  const T* give_back(const Context<T>& c, const T* y, int64_t width, Array<T>& to);

 private:
  void move(const Context<T>& c, T* from, T* to, int64_t width, bool back);

  std::vector<int32_t> token_;             // of each choice
  std::vector<int32_t> slot_of_;           // of each row that arrived
  std::vector<int64_t> leaving_, coming_;  // [ranks]: choices to, and from, each
  Slots slots_;
  Array<T> packed_;
};

extern template class ExpertExchange<float>;
extern template class ExpertExchange<double>;

}  // namespace fathom::train
