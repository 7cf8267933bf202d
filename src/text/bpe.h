// Byte-pair encoding of one word: merges of adjacent tokens, the lowest rank first, the leftmost
// among equals (Sennrich et al. 2016, as the `tokenizers` library applies a merge list).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace fathom::text {

/// The merge list of a byte-level vocabulary. Immutable once built, so safe to share.
class Bpe {
 public:
  struct Merge {
    int32_t left, right, result;
  };

  /// Buffers that encode() reuses from word to word. One thread at a time.
  struct Scratch {
    std::vector<uint64_t> heap;
    std::vector<int32_t> ids;
    std::vector<uint32_t> next, previous, ranks;
  };

  Bpe() = default;
  /// `byte_ids[b]` is the token of byte b alone. A pair's rank is its place in `merges`; of a pair
  /// listed twice the last place counts.
  Bpe(const std::array<int32_t, 256>& byte_ids, const std::vector<Merge>& merges);

  /// Appends the ids of `word`. Time n log n in its length.
  void encode(std::string_view word, Scratch& scratch, std::vector<int32_t>& ids) const;

 private:
  static constexpr uint32_t kNoRank = 0xFFFFFFFF;
  static constexpr uint64_t kNoPair = ~uint64_t{0};

  struct Slot {
    uint64_t pair = kNoPair;  // left << 32 | right
    uint32_t rank = kNoRank;
    int32_t result = -1;
  };

  const Slot& find(int32_t left, int32_t right) const;
  uint32_t rank(int32_t left, int32_t right) const { return find(left, right).rank; }
  void encode_short(std::string_view word, std::vector<int32_t>& ids) const;
  void encode_long(std::string_view word, Scratch& scratch, std::vector<int32_t>& ids) const;

  std::array<int32_t, 256> byte_ids_{};
  std::vector<Slot> slots_{Slot{}};  // open addressing, a power of two, at most half full
  int shift_ = 63;
  size_t mask_ = 0;
};

}  // namespace fathom::text
