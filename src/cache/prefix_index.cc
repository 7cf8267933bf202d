#include "cache/prefix_index.h"

#include <algorithm>

namespace fathom::cache {

PageRef PrefixIndex::find(const PrefixKey& key, PageIds ids) {
  const auto found = entries_.find(key);
  if (found == entries_.end() || !std::ranges::equal(found->second.ids, ids)) return {};
  order_.splice(order_.begin(), order_, found->second.place);
  return found->second.page;
}

void PrefixIndex::insert(const PrefixKey& key, PageIds ids, const PageRef& page) {
  const auto [place, added] = entries_.try_emplace(key);
  if (!added) return;
  Entry& entry = place->second;
  std::ranges::copy(ids, entry.ids.begin());
  entry.page = page;
  entry.page.offer();
  order_.push_front(key);
  entry.place = order_.begin();
}

void PrefixIndex::touch(const PrefixKey& key) {
  const auto found = entries_.find(key);
  if (found != entries_.end()) order_.splice(order_.begin(), order_, found->second.place);
}

bool PrefixIndex::evict() {
  for (size_t looked = order_.size(); looked > 0; --looked) {
    const auto last = std::prev(order_.end());
    const auto found = entries_.find(*last);
    if (found->second.page.unique()) {
      found->second.page.withdraw();
      order_.erase(last);
      entries_.erase(found);
      return true;
    }
    order_.splice(order_.begin(), order_, last);  // a sequence reads it: it is in use, not old
  }
  return false;
}

void PrefixIndex::clear() {
  for (const auto& [key, entry] : entries_) entry.page.withdraw();
  entries_.clear();
  order_.clear();
}

}  // namespace fathom::cache
