// Which prefixes' pages are in memory.
#pragma once

#include <array>
#include <list>
#include <unordered_map>

#include "cache/page_pool.h"
#include "cache/prefix_key.h"

namespace fathom::cache {

/// Full pages by prefix, least recently used first to go. Holds a share of each page's count. For
/// one thread.
class PrefixIndex {
 public:
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
  /// Pages that evict() could return to the pool; walks all.
  int64_t evictable() const;

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
