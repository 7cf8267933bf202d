#include "train/expert_exchange.h"

#include <algorithm>

namespace fathom::train {

template <typename T>
void ExpertExchange<T>::plan(const Context<T>& c,
                             const std::vector<std::vector<int32_t>>& token_of) {
  Ranks& ranks = *c.expert_ranks;
  const int size = ranks.size();
  const int64_t here = c.layout.experts;
  token_.clear();
  leaving_.assign(static_cast<size_t>(size), 0);
  std::vector<int64_t> counts;
  for (size_t e = 0; e < token_of.size(); ++e) {
    token_.insert(token_.end(), token_of[e].begin(), token_of[e].end());
    counts.push_back(static_cast<int64_t>(token_of[e].size()));
    leaving_[e / here] += counts.back();
  }
  std::vector<int64_t> arriving(static_cast<size_t>(size * here));
  std::vector<Ranks::Bytes> send, receive;
  const size_t bytes = static_cast<size_t>(here) * sizeof(int64_t);
  for (int r = 0; r < size; ++r) {
    send.push_back(bytes_of(counts).subspan(r * bytes, bytes));
    receive.push_back(bytes_of(arriving).subspan(r * bytes, bytes));
  }
  ranks.exchange(send, receive);

  coming_.assign(static_cast<size_t>(size), 0);
  std::vector<std::vector<int32_t>> rows_of(arriving.size());
  int32_t row = 0;
  for (size_t group = 0; group < arriving.size(); ++group) {
    coming_[group / here] += arriving[group];
    for (int64_t i = 0; i < arriving[group]; ++i) rows_of[group].push_back(row++);
  }
  slots_.assign(rows_of);
  slot_of_.resize(static_cast<size_t>(row));
  for (int64_t slot = 0; slot < slots_.size(); ++slot) {
    if (slots_.token[slot] >= 0) slot_of_[slots_.token[slot]] = static_cast<int32_t>(slot);
  }
}

/// Rows as they are sent, sorted by rank, to rows as they arrive; or the reverse.
template <typename T>
void ExpertExchange<T>::move(const Context<T>& c, T* from, T* to, int64_t width, bool back) {
  const auto pieces = [width](T* rows, const std::vector<int64_t>& counts) {
    std::vector<Ranks::Bytes> result;
    for (const int64_t count : counts) {
      const auto elements = static_cast<size_t>(count * width);
      result.push_back(std::as_writable_bytes(std::span(rows, elements)));
      rows += elements;
    }
    return result;
  };
  c.expert_ranks->exchange(pieces(from, back ? coming_ : leaving_),
                           pieces(to, back ? leaving_ : coming_));
}

template <typename T>
const T* ExpertExchange<T>::bring_rows(const Context<T>& c, const T* x, int64_t width,
                                       Array<T>& to) {
  T* packed = packed_.resize(static_cast<int64_t>(token_.size()) * width);
  for (size_t i = 0; i < token_.size(); ++i) {
    std::copy_n(x + token_[i] * width, width, packed + i * width);
  }
  move(c, packed, to.resize(arrived() * width), width, false);
  return to.data();
}

template <typename T>
const T* ExpertExchange<T>::bring_numbers(const Context<T>& c, const T* x, Array<T>& to) {
  T* numbers = packed_.resize(static_cast<int64_t>(token_.size()) + arrived());
  T* came = std::copy_n(x, token_.size(), numbers);
  move(c, numbers, came, 1, false);
  T* by_slot = to.resize(slots_.size());
  std::fill_n(by_slot, slots_.size(), T(0));
  for (int64_t i = 0; i < arrived(); ++i) by_slot[slot_of_[i]] = came[i];
  return by_slot;
}

template <typename T>
const T* ExpertExchange<T>::give_back(const Context<T>& c, const T* y, int64_t width,
                                      Array<T>& to) {
  T* packed = packed_.resize(arrived() * width);
  for (int64_t i = 0; i < arrived(); ++i) {
    std::copy_n(y + slot_of_[i] * width, width, packed + i * width);
  }
  move(c, packed, to.resize(static_cast<int64_t>(token_.size()) * width), width, true);
  return to.data();
}

template class ExpertExchange<float>;
template class ExpertExchange<double>;

}  // namespace fathom::train
