// Remembers how words were encoded. Fixed in size; a word replaces whatever shared its slot.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace fathom::text {

/// Holds words of up to 30 bytes and 8 ids, one cache line each. One thread at a time.
class WordCache {
 public:
  static constexpr size_t kMaxBytes = 30;
  static constexpr size_t kMaxIds = 8;

  WordCache() : slots_(size_t{1} << kBits) {}

  static bool fits(std::string_view word) { return word.size() <= kMaxBytes; }

  /// The ids of `word`, which fits, or nothing. Valid until the next put().
  std::span<const int32_t> get(std::string_view word) const {
    const Slot& slot = slots_[index_of(word)];
    if (slot.size != word.size() || std::memcmp(slot.bytes, word.data(), word.size()) != 0)
      return {};
    return {slot.ids, slot.count};
  }

  /// `word` fits and is not empty.
  void put(std::string_view word, std::span<const int32_t> ids) {
    if (ids.size() > kMaxIds) return;
    Slot& slot = slots_[index_of(word)];
    slot.size = static_cast<uint8_t>(word.size());
    slot.count = static_cast<uint8_t>(ids.size());
    std::memcpy(slot.bytes, word.data(), word.size());
    std::copy(ids.begin(), ids.end(), slot.ids);
  }

 private:
  static constexpr int kBits = 15;

  struct alignas(64) Slot {
    uint8_t size = 0;
    uint8_t count = 0;
    char bytes[kMaxBytes];
    int32_t ids[kMaxIds];
  };

  static size_t index_of(std::string_view word) {
    uint64_t hash = word.size();
    const char* p = word.data();
    size_t left = word.size();
    uint64_t chunk;
    for (; left >= 8; p += 8, left -= 8) {
      std::memcpy(&chunk, p, 8);
      hash = mix(hash ^ chunk);
    }
    chunk = 0;
    std::memcpy(&chunk, p, left);
    return mix(hash ^ chunk) >> (64 - kBits);
  }
  static uint64_t mix(uint64_t x) {
    const __uint128_t product = static_cast<__uint128_t>(x) * 0x9E3779B97F4A7C15ull;
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  }

  std::vector<Slot> slots_;
};

}  // namespace fathom::text
