// The output head with its cross-entropy, forward and backward in one sweep over chunks of rows, so
// that the logits of all tokens never lie in memory together.
#pragma once

#include "train/context.h"
#include "train/linear.h"

namespace fathom::train {

/// The sums that the head adds to.
struct HeadSums {
  double loss = 0;
  int64_t tokens = 0;
  int64_t correct = 0;
};

template <typename T>
class Head {
 public:
  Head() = default;
  explicit Head(const Context<T>& c);

  void load(const T* params) { linear_.load(params); }
  /// x [rows, hidden]; target[i] < 0: no loss. With `dx`, dx [rows, hidden] is the gradient of
  /// scale * (sum of the losses), and the head's gradient is added.
  HeadSums loss(Context<T>& c, const T* x, const int32_t* target, int64_t rows, double scale,
                T* dx);
  void logits(Context<T>& c, const T* x, int64_t rows, T* out);

 private:
  void logits_of(Context<T>& c, const Dense<T>& x, T* out);
  void row_loss(T* row, int32_t target, double scale, double& loss, uint8_t& correct) const;

  Linear<T> linear_;
  Rows<T> rows_;
  Pairs<T> left_, right_;
  Array<T> logits_, d_rows_;
};

extern template class Head<float>;
extern template class Head<double>;

}  // namespace fathom::train
