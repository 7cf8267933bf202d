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
  const int64_t hidden = linear_.in();
  rows_.assign(c.pool, {x, hidden, nullptr, rows, hidden}, linear_.format(), ScaleKind::kExact);
  linear_.forward_all(c.pool, rows_, out, linear_.out());
}

template <typename T>
HeadSums Head<T>::loss(Context<T>& c, const T* x, const int32_t* target, int64_t rows, double scale,
                       T* dx) {
  const int64_t hidden = linear_.in(), vocab = linear_.out();
  std::vector<double> loss(static_cast<size_t>(rows), 0.0);
  std::vector<uint8_t> correct(static_cast<size_t>(rows), 0);
  HeadSums sums;
  for (int64_t first = 0; first < rows; first += kChunk) {
    const int64_t n = std::min(kChunk, rows - first);
    T* z = logits_.resize(n * vocab);
    logits(c, x + first * hidden, n, z);
    c.pool.run(n, [&](int64_t i, int) {
      T* row = z + i * vocab;
      const int32_t t = target[first + i];
      if (t < 0) {
        std::fill_n(row, vocab, T(0));
        return;
      }
      const T at_target = row[t];
      T top = row[0];
      for (int64_t j = 0; j < vocab; ++j) top = row[j] > top ? row[j] : top;
      correct[first + i] = at_target == top;
      T lse;
      softmax(row, vocab, T(1), &lse);
      loss[first + i] = static_cast<double>(lse) - static_cast<double>(at_target);
      if (!dx) return;
      row[t] -= 1;
      for (int64_t j = 0; j < vocab; ++j) row[j] *= static_cast<T>(scale);
    });
    if (!dx) continue;
    const Dense<T> dense{z, vocab, nullptr, n, vocab};
    left_.assign(c.pool, dense, linear_.format(), ScaleKind::kExact);
    right_.assign(c.pool, {x + first * hidden, hidden, nullptr, n, hidden}, linear_.format(),
                  ScaleKind::kExact);
    linear_.wgrad_all(c.pool, left_, right_, c.grads);
    rows_.assign(c.pool, dense, linear_.format(), ScaleKind::kExact);
    linear_.dgrad_all(c.pool, rows_, dx + first * hidden, hidden, false);
  }
  for (int64_t i = 0; i < rows; ++i) {
    sums.loss += loss[i];
    sums.tokens += target[i] >= 0;
    sums.correct += correct[i];
  }
  return sums;
}

template class Head<float>;
template class Head<double>;

}  // namespace fathom::train
