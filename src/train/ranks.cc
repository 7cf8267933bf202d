#include "train/ranks.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace fathom::train {
namespace {

constexpr int64_t kChunk = int64_t{1} << 22;  // elements summed at a time: bounds what is received

/// The part of a chunk of n elements that rank r of `size` adds up.
struct Piece {
  int64_t first, count;
};
Piece piece_of(int64_t n, int r, int size) {
  const int64_t first = n * r / size;
  return {first, n * (r + 1) / size - first};
}

Ranks::Bytes bytes(float* x, int64_t n) {
  return std::as_writable_bytes(std::span(x, static_cast<size_t>(n)));
}

/// Element by element, so that a compiler's vectors change no bit.
void add(const float* x, int64_t n, float* sum) {
  for (int64_t i = 0; i < n; ++i) sum[i] += x[i];
}

}  // namespace

void SoleRank::exchange(std::span<const Bytes> send, std::span<const Bytes> receive) {
  FATHOM_CHECK(send.size() == 1 && receive.size() == 1 && send[0].size() == receive[0].size());
  if (!send[0].empty()) std::memcpy(receive[0].data(), send[0].data(), send[0].size());
}

void sum_in_order(Ranks& ranks, std::span<float* const> parts, std::span<const int64_t> parts_of,
                  int64_t n, float* total) {
  const int size = ranks.size(), me = ranks.rank();
  std::vector<float> received;
  std::vector<Ranks::Bytes> send(static_cast<size_t>(size)), receive(static_cast<size_t>(size));
  for (int64_t chunk = 0; chunk < n; chunk += kChunk) {
    const int64_t width = std::min(kChunk, n - chunk);
    const Piece mine = piece_of(width, me, size);
    int64_t all = 0;
    for (const int64_t count : parts_of) all += count;
    received.resize(static_cast<size_t>(all * mine.count));
    // A round for each part, for those of one rank do not lie together.
    for (int64_t round = 0; round < *std::max_element(parts_of.begin(), parts_of.end()); ++round) {
      int64_t part = round;
      for (int r = 0; r < size; ++r) {
        const Piece theirs = piece_of(width, r, size);
        send[r] = round < parts_of[me] ? bytes(parts[round] + chunk + theirs.first, theirs.count)
                                       : Ranks::Bytes{};
        receive[r] = round < parts_of[r] ? bytes(received.data() + part * mine.count, mine.count)
                                         : Ranks::Bytes{};
        part += parts_of[r];
      }
      ranks.exchange(send, receive);
    }
    for (int64_t part = 1; part < all; ++part) {
      add(received.data() + part * mine.count, mine.count, received.data());
    }
    for (int r = 0; r < size; ++r) {
      const Piece theirs = piece_of(width, r, size);
      send[r] = bytes(received.data(), mine.count);
      receive[r] = bytes(total + chunk + theirs.first, theirs.count);
    }
    ranks.exchange(send, receive);
  }
}

}  // namespace fathom::train
