#include "text/bpe.h"

#include <algorithm>
#include <bit>
#include <functional>

#include "base/error.h"

namespace fathom::text {
namespace {

// Up to here, looking through all the pairs beats keeping a heap.
constexpr size_t kShortWord = 64;
constexpr uint32_t kEnd = 0xFFFFFFFF;

}  // namespace

Bpe::Bpe(const std::array<int32_t, 256>& byte_ids, const std::vector<Merge>& merges)
    : byte_ids_(byte_ids) {
  const size_t size = std::bit_ceil(merges.size() * 2 + 2);
  slots_.assign(size, Slot{});
  mask_ = size - 1;
  shift_ = 64 - std::countr_zero(size);
  for (size_t i = 0; i < merges.size(); ++i) {
    Slot& slot = const_cast<Slot&>(find(merges[i].left, merges[i].right));
    slot.pair = static_cast<uint64_t>(static_cast<uint32_t>(merges[i].left)) << 32 |
                static_cast<uint32_t>(merges[i].right);
    slot.rank = static_cast<uint32_t>(i);
    slot.result = merges[i].result;
  }
}

// The pair's slot, or the empty one where it would be.
const Bpe::Slot& Bpe::find(int32_t left, int32_t right) const {
  const uint64_t pair =
      static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  size_t i = (pair * 0x9E3779B97F4A7C15ull) >> shift_ & mask_;
  while (slots_[i].pair != pair && slots_[i].pair != kNoPair) i = (i + 1) & mask_;
  return slots_[i];
}

void Bpe::encode(std::string_view word, Scratch& scratch, std::vector<int32_t>& ids) const {
  if (word.size() <= kShortWord) {
    encode_short(word, ids);
  } else {
    encode_long(word, scratch, ids);
  }
}

void Bpe::encode_short(std::string_view word, std::vector<int32_t>& ids) const {
  int32_t token[kShortWord];
  uint32_t ranks[kShortWord];  // of token[i] and token[i + 1]
  size_t n = word.size();
  for (size_t i = 0; i < n; ++i) token[i] = byte_ids_[static_cast<unsigned char>(word[i])];
  for (size_t i = 0; i + 1 < n; ++i) ranks[i] = rank(token[i], token[i + 1]);

  while (n > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < n; ++i) {
      if (ranks[i] < ranks[best]) best = i;
    }
    if (ranks[best] == kNoRank) break;
    token[best] = find(token[best], token[best + 1]).result;
    std::copy(token + best + 2, token + n, token + best + 1);
    if (best + 2 < n) std::copy(ranks + best + 2, ranks + n - 1, ranks + best + 1);
    --n;
    if (best > 0) ranks[best - 1] = rank(token[best - 1], token[best]);
    if (best + 1 < n) ranks[best] = rank(token[best], token[best + 1]);
  }
  ids.insert(ids.end(), token, token + n);
}

// A linked list of tokens and a heap of (rank, position). An entry whose pair has changed since is
// known by its rank: ranks_[position] no longer has it.
void Bpe::encode_long(std::string_view word, Scratch& s, std::vector<int32_t>& ids) const {
  if (word.size() >= kEnd) {
    fail(ErrorKind::kBadInput, "text: a single word of {} bytes, at most {} can be encoded",
         word.size(), kEnd - 1);
  }
  const auto n = static_cast<uint32_t>(word.size());
  s.ids.resize(n);
  s.next.resize(n);
  s.previous.resize(n);
  s.ranks.assign(n, kNoRank);
  s.heap.clear();
  for (uint32_t i = 0; i < n; ++i) {
    s.ids[i] = byte_ids_[static_cast<unsigned char>(word[i])];
    s.next[i] = i + 1 < n ? i + 1 : kEnd;
    s.previous[i] = i > 0 ? i - 1 : kEnd;
  }
  for (uint32_t i = 0; i + 1 < n; ++i) {
    s.ranks[i] = rank(s.ids[i], s.ids[i + 1]);
    if (s.ranks[i] != kNoRank) s.heap.push_back(static_cast<uint64_t>(s.ranks[i]) << 32 | i);
  }
  const auto update = [&](uint32_t at) {
    s.ranks[at] = s.next[at] == kEnd ? kNoRank : rank(s.ids[at], s.ids[s.next[at]]);
    if (s.ranks[at] == kNoRank) return;
    s.heap.push_back(static_cast<uint64_t>(s.ranks[at]) << 32 | at);
    std::push_heap(s.heap.begin(), s.heap.end(), std::greater<>());
  };

  std::make_heap(s.heap.begin(), s.heap.end(), std::greater<>());
  while (!s.heap.empty()) {
    std::pop_heap(s.heap.begin(), s.heap.end(), std::greater<>());
    const uint64_t top = s.heap.back();
    s.heap.pop_back();
    const auto at = static_cast<uint32_t>(top);
    if (s.ranks[at] != top >> 32) continue;
    const uint32_t gone = s.next[at];
    s.ids[at] = find(s.ids[at], s.ids[gone]).result;
    s.ranks[gone] = kNoRank;
    s.next[at] = s.next[gone];
    if (s.next[at] != kEnd) s.previous[s.next[at]] = at;
    update(at);
    if (s.previous[at] != kEnd) update(s.previous[at]);
  }
  for (uint32_t i = 0; i != kEnd; i = s.next[i]) ids.push_back(s.ids[i]);
}

}  // namespace fathom::text
