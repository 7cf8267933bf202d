#include "train/head.h"

#include <algorithm>
#include <vector>

#include "train/ops.h"

namespace fathom::train {
namespace {

constexpr int64_t kChunk = 512;

}  // namespace

template <typename T>
Head<T>::Head(const Context<T>& c)
    : linear_(c.config.vocab_size, c.config.hidden_size, c.layout.offset("lm_head.weight"),
              c.high()) {}

template <typename T>
void Head<T>::logits(Context<T>& c, const T* x, int64_t rows, T* out) {
  logits_of(c, {x, linear_.in(), nullptr, rows, linear_.in()}, out);
}

template <typename T>
void Head<T>::logits_of(Context<T>& c, const Dense<T>& x, T* out) {
  rows_.assign(c.pool, x, linear_.format(), ScaleKind::kExact);
  linear_.forward_all(c.pool, rows_, out, linear_.out());
}

/// Of a row's logits the loss and, where `scale` is not 0, the gradient in their place.
template <typename T>
void Head<T>::row_loss(T* row, int32_t target, double scale, double& loss, uint8_t& correct) const {
  const int64_t vocab = linear_.out();
  const T at_target = row[target];
  T top = row[0];
#pragma omp simd reduction(max : top)
  for (int64_t j = 0; j < vocab; ++j) top = row[j] > top ? row[j] : top;
  correct = at_target == top;
  T lse;
  softmax(row, vocab, T(1), &lse);
  loss = static_cast<double>(lse) - static_cast<double>(at_target);
  row[target] -= 1;
  for (int64_t j = 0; j < vocab; ++j) row[j] *= static_cast<T>(scale);
}

/// Only the rows with a target are multiplied: in a conversation they are the smaller part.
template <typename T>
HeadSums Head<T>::loss(Context<T>& c, const T* x, const int32_t* target, int64_t rows, double scale,
                       T* dx) {
  const int64_t hidden = linear_.in(), vocab = linear_.out();
  std::vector<int32_t> counted;
  for (int64_t i = 0; i < rows; ++i) {
    if (target[i] >= 0) counted.push_back(static_cast<int32_t>(i));
  }
  if (dx) std::fill_n(dx, rows * hidden, T(0));
  HeadSums sums;
  sums.tokens = std::ssize(counted);
  std::vector<double> loss(counted.size());
  std::vector<uint8_t> correct(counted.size());
  for (int64_t first = 0; first < sums.tokens; first += kChunk) {
    const int64_t n = std::min(kChunk, sums.tokens - first);
    const int32_t* index = counted.data() + first;
    const Dense<T> in{x, hidden, index, n, hidden};
    T* z = logits_.resize(kChunk * vocab);
    logits_of(c, in, z);
    c.pool.run(n, [&](int64_t i, int) {
      row_loss(z + i * vocab, target[index[i]], scale, loss[first + i], correct[first + i]);
    });
    if (!dx) continue;
    const Dense<T> dense{z, vocab, nullptr, n, vocab};
    left_.assign(c.pool, dense, linear_.format(), ScaleKind::kExact);
    right_.assign(c.pool, in, linear_.format(), ScaleKind::kExact);
    linear_.wgrad_all(c.pool, left_, right_, c.grads);
    rows_.assign(c.pool, dense, linear_.format(), ScaleKind::kExact);
    T* d = d_rows_.resize(kChunk * hidden);
    linear_.dgrad_all(c.pool, rows_, d, hidden, false);
    for (int64_t i = 0; i < n; ++i) std::copy_n(d + i * hidden, hidden, dx + index[i] * hidden);
  }
  for (size_t i = 0; i < counted.size(); ++i) {
    sums.loss += loss[i];
    sums.correct += correct[i];
  }
  return sums;
}

template class Head<float>;
template class Head<double>;

}  // namespace fathom::train
