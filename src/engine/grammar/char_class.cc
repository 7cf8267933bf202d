#include <algorithm>

#include "engine/grammar/pattern.h"

namespace fathom::engine {

CharClass::CharClass(std::vector<Range> ranges) {
  std::ranges::sort(ranges);
  for (const Range& range : ranges) {
    if (!ranges_.empty() && range.first <= ranges_.back().second + 1) {
      ranges_.back().second = std::max(ranges_.back().second, range.second);
    } else {
      ranges_.push_back(range);
    }
  }
}

const CharClass& CharClass::all() {
  static const CharClass all({{0, 0xD7FF}, {0xE000, 0x10FFFF}});
  return all;
}

bool CharClass::contains(uint32_t point) const { return share_of(point, point) == Share::kAll; }

CharClass::Share CharClass::share_of(uint32_t first, uint32_t last) const {
  // The first range that does not end before `first`.
  const auto range = std::ranges::lower_bound(ranges_, first, {}, &Range::second);
  if (range == ranges_.end() || range->first > last) return Share::kNone;
  return range->first <= first && range->second >= last ? Share::kAll : Share::kSome;
}

CharClass CharClass::minus(const CharClass& other) const {
  std::vector<Range> left;
  for (auto [first, last] : ranges_) {
    for (const Range& cut : other.ranges_) {
      if (cut.second < first || cut.first > last) continue;
      if (cut.first > first) left.emplace_back(first, cut.first - 1);
      first = cut.second + 1;
      if (first > last) break;
    }
    if (first <= last) left.emplace_back(first, last);
  }
  return CharClass(std::move(left));
}

}  // namespace fathom::engine
