#include "engine/sequence_memory.h"

#include <algorithm>

namespace fathom::engine {
namespace {

// Pages read from disk at a time: enough to keep the disk busy, few enough to begin soon.
constexpr int64_t kLoadPages = 64;

}  // namespace

const cache::PrefixKey& SequenceMemory::key_of(Sequence& sequence, int64_t page) {
  auto& keys = sequence.keys;
  while (static_cast<int64_t>(keys.size()) <= page) {
    const auto next = static_cast<int64_t>(keys.size());
    keys.push_back(cache::child_key(keys.empty() ? cache_.root() : keys.back(),
                                    cache::page_ids(sequence.tokens, next)));
  }
  return keys[page];
}

cache::PageName SequenceMemory::name_of(Sequence& sequence, int64_t page) {
  cache::PageName name;
  name.key = key_of(sequence, page);
  name.parent = page == 0 ? cache_.root() : sequence.keys[page - 1];
  std::ranges::copy(cache::page_ids(sequence.tokens, page), name.ids.begin());
  return name;
}

SequenceMemory::Prefix SequenceMemory::extend(Sequence& sequence) {
  if (sequence.load != nullptr) {
    if (!sequence.load->done.load(std::memory_order_acquire)) return Prefix::kLoading;
    cache_.finish(*sequence.load);
    sequence.disk_failed |= sequence.load->loaded == 0;
    sequence.load.reset();
  }
  if (!sequence.caches()) return Prefix::kReady;
  const int64_t end_page = (sequence.size() - 1) / kPageTokens;
  while (sequence.computed % kPageTokens == 0 && sequence.computed / kPageTokens < end_page) {
    const int64_t page = sequence.computed / kPageTokens;
    const cache::PrefixKey& key = key_of(sequence, page);
    cache::PageRef found = cache_.find(key, cache::page_ids(sequence.tokens, page));
    if (!found) {
      const auto owner = computing_.find(key);
      if (owner != computing_.end() && owner->second != sequence.id) return Prefix::kShared;
      return start_load(sequence, page, end_page) ? Prefix::kLoading : Prefix::kReady;
    }
    sequence.pages.resize(page);
    sequence.pages.push_back(std::move(found));
    sequence.computed += kPageTokens;
    sequence.drafted = sequence.computed;
    sequence.hidden.clear();
    if (sequence.published == page) ++sequence.published;
    if (sequence.computed > sequence.counted && sequence.computed <= sequence.prompt_size()) {
      sequence.usage.cache_hit_tokens += kPageTokens;
      sequence.counted = sequence.computed;
    }
  }
  return Prefix::kReady;
}

bool SequenceMemory::start_load(Sequence& sequence, int64_t page, int64_t end_page) {
  if (sequence.disk_failed) return false;
  std::vector<cache::PageName> names;
  while (page < end_page && std::ssize(names) < kLoadPages &&
         cache_.on_disk(key_of(sequence, page))) {
    names.push_back(name_of(sequence, page++));
  }
  if (names.empty()) return false;
  sequence.load = cache_.load(names);
  return sequence.load != nullptr;
}

void SequenceMemory::announce(Sequence& sequence, int64_t end) {
  if (!sequence.caches()) return;
  const int64_t full = std::min(end, sequence.size()) / kPageTokens;
  for (int64_t page = sequence.computed / kPageTokens; page < full; ++page) {
    computing_.try_emplace(key_of(sequence, page), sequence.id);
  }
}

void SequenceMemory::forget_announced(Sequence& sequence) {
  for (const cache::PrefixKey& key : sequence.keys) {
    const auto found = computing_.find(key);
    if (found != computing_.end() && found->second == sequence.id) computing_.erase(found);
  }
}

bool SequenceMemory::reserve(Sequence& sequence, int64_t first_written, int64_t end) {
  while (std::ssize(sequence.pages) * kPageTokens < end) {
    cache::PageRef page = cache_.allocate();
    if (!page) return false;
    sequence.pages.push_back(std::move(page));
  }
  for (int64_t page = first_written / kPageTokens; page * kPageTokens < end; ++page) {
    if (!cache_.make_writable(sequence.pages[page])) return false;
  }
  return true;
}

void SequenceMemory::publish(Sequence& sequence, int64_t end) {
  if (!sequence.caches()) return;
  for (; (sequence.published + 1) * kPageTokens <= end; ++sequence.published) {
    const cache::PageName name = name_of(sequence, sequence.published);
    cache_.publish(name, sequence.pages[sequence.published]);
    const auto found = computing_.find(name.key);
    if (found != computing_.end() && found->second == sequence.id) computing_.erase(found);
  }
}

void SequenceMemory::release(Sequence& sequence) {
  publish(sequence, sequence.computed);
  forget_announced(sequence);
  if (sequence.caches()) {
    const auto known = static_cast<size_t>(sequence.published);
    cache_.touch(std::span(sequence.keys).first(std::min(known, sequence.keys.size())));
  }
  sequence.pages.clear();
  sequence.load.reset();
  sequence.computed = sequence.drafted = sequence.published = 0;
  sequence.hidden.clear();
  sequence.drafts.clear();
}

int64_t SequenceMemory::pages_wanted(const Sequence& sequence) {
  const int64_t total = sequence.size() / kPageTokens + 1;
  return std::max<int64_t>(0, total - std::ssize(sequence.pages));
}

}  // namespace fathom::engine
