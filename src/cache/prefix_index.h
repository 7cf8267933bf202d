// Which prefixes' pages are in memory.
#pragma once

#include <array>
#include <list>
#include <unordered_map>

#include "cache/page_pool.h"
#include "cache/prefix_key.h"

namespace fathom::cache {

/// Full pages by prefix, least recently used first to go. It offers the pages that it holds, so
/// that PagePool::reclaimable() counts what evict() can return; no other of the pool's holders may.
/// For one thread.
class PrefixIndex {
 public:
  PrefixIndex() = default;
  ~PrefixIndex() { clear(); }
  PrefixIndex(const PrefixIndex&) = delete;
  PrefixIndex& operator=(const PrefixIndex&) = delete;

  /// The page of `key`, now the most recently used; empty when there is none or its ids differ.
  PageRef find(const PrefixKey& key, PageIds ids);
  bool contains(const PrefixKey& key) const { return entries_.contains(key); }

  /// Keeps `page` under `key`; the page that is already there stays.
  void insert(const PrefixKey& key, PageIds ids, const PageRef& page);

  /// Marks as just used. A chain is touched from its end, so that its beginning stays longest.
  void touch(const PrefixKey& key);

  /// Drops the least recently used page that nobody else holds; false when there is none.
  bool evict();

  void clear();
  int64_t size() const { return static_cast<int64_t>(entries_.size()); }

 private:
  struct Entry {
    std::array<int32_t, kPageTokens> ids;
    PageRef page;
    std::list<PrefixKey>::iterator place;
  };

  std::unordered_map<PrefixKey, Entry, PrefixKeyHash> entries_;
  std::list<PrefixKey> order_;  // most recently used first
};

}  // namespace fathom::cache
