// The processes that train one model together, and sums over them in a fixed order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

namespace fathom::train {

/// Every rank makes the same calls in the same order, each from the thread that made it.
class Ranks {
 public:
  using Bytes = std::span<std::byte>;

  virtual ~Ranks() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// Sends send[r] to rank r and fills receive[r] from it; both have `size` entries, may be empty
  /// and must not overlap. The sizes must agree on both sides. Throws Error where a rank is gone.
  virtual void exchange(std::span<const Bytes> send, std::span<const Bytes> receive) = 0;
};

/// One process alone.
class SoleRank final : public Ranks {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  void exchange(std::span<const Bytes> send, std::span<const Bytes> receive) override;
};

/// A vector's memory as exchange takes it.
template <typename T>
Ranks::Bytes bytes_of(std::vector<T>& values) {
  static_assert(std::is_trivially_copyable_v<T>);
  return std::as_writable_bytes(std::span(values));
}

/// Every rank's values, which may differ in number, one rank after the other.
template <typename T>
std::vector<T> gather_all(Ranks& ranks, std::vector<T> mine) {
  if (ranks.size() == 1) return mine;
  const size_t n = static_cast<size_t>(ranks.size());
  std::vector<uint64_t> counts(n), own(1, mine.size());
  std::vector<Ranks::Bytes> send(n, bytes_of(own)), receive(n);
  for (size_t r = 0; r < n; ++r) receive[r] = bytes_of(counts).subspan(r * 8, 8);
  ranks.exchange(send, receive);
  uint64_t total = 0;
  for (const uint64_t count : counts) total += count;
  std::vector<T> all(total);
  size_t at = 0;
  for (size_t r = 0; r < n; ++r) {
    send[r] = bytes_of(mine);
    receive[r] = bytes_of(all).subspan(at, counts[r] * sizeof(T));
    at += receive[r].size();
  }
  ranks.exchange(send, receive);
  return all;
}

/// Every element's sum over the ranks, in their order.
template <typename T>
std::vector<T> sum_all(Ranks& ranks, const std::vector<T>& mine) {
  const std::vector<T> all = gather_all(ranks, mine);
  std::vector<T> sums(mine.size(), T(0));
  for (size_t i = 0; i < all.size(); ++i) sums[i % mine.size()] += all[i];
  return sums;
}

/// The sums of arrays of n elements that lie on all ranks: rank r holds parts_of[r] of them, this
/// one at `parts`. total[i] = the first rank's first part, plus its second, and so on to the last
/// rank's last, in this order whatever the number of ranks; on every rank. `total` may be parts[0].
void sum_in_order(Ranks& ranks, std::span<float* const> parts, std::span<const int64_t> parts_of,
                  int64_t n, float* total);

}  // namespace fathom::train
