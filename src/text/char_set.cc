#include "text/char_set.h"

#include <algorithm>
#include <iterator>

#include "text/unicode.h"

namespace fathom::text {

CharSet::CharSet(std::vector<Range> ranges) {
  std::sort(ranges.begin(), ranges.end(),
            [](const Range& a, const Range& b) { return a.first < b.first; });
  for (const Range& range : ranges) {
    if (!ranges_.empty() && range.first <= ranges_.back().last + 1) {
      ranges_.back().last = std::max(ranges_.back().last, range.last);
    } else {
      ranges_.push_back(range);
    }
  }
}

bool CharSet::contains(uint32_t code_point) const {
  const auto after = std::upper_bound(ranges_.begin(), ranges_.end(), code_point,
                                      [](uint32_t c, const Range& r) { return c < r.first; });
  return after != ranges_.begin() && code_point <= std::prev(after)->last;
}

CharSet CharSet::operator|(const CharSet& other) const {
  std::vector<Range> all = ranges_;
  all.insert(all.end(), other.ranges_.begin(), other.ranges_.end());
  return CharSet(std::move(all));
}

CharSet CharSet::operator~() const {
  std::vector<Range> gaps;
  uint32_t next = 0;
  for (const Range& range : ranges_) {
    if (range.first > next) gaps.push_back({next, range.first - 1});
    next = range.last + 1;
  }
  if (next <= kMaxCodePoint) gaps.push_back({next, kMaxCodePoint});
  return CharSet(std::move(gaps));
}

CharSet CharSet::operator&(const CharSet& other) const { return ~(~*this | ~other); }

std::optional<CharSet> CharSet::property(std::string_view name) {
  std::vector<Range> found;
  if (name == "Han") {
    const auto han = han_ranges();
    for (size_t i = 0; i + 1 < han.size(); i += 2) found.push_back({han[i], han[i + 1]});
    return CharSet(std::move(found));
  }
  if (name.empty() || name.size() > 2) return std::nullopt;
  bool known = false;
  for (const auto category : kCategoryNames) known |= category.starts_with(name);
  if (!known) return std::nullopt;
  const auto runs = category_runs();
  for (size_t i = 0; i < runs.size(); ++i) {
    if (!kCategoryNames[runs[i] & 31].starts_with(name)) continue;
    found.push_back({runs[i] >> 5, i + 1 < runs.size() ? (runs[i + 1] >> 5) - 1 : kMaxCodePoint});
  }
  return CharSet(std::move(found));
}

CharSet CharSet::white_space() {
  return CharSet(std::vector<Range>{{0x09, 0x0D},
                                    {0x20, 0x20},
                                    {0x85, 0x85},
                                    {0xA0, 0xA0},
                                    {0x1680, 0x1680},
                                    {0x2000, 0x200A},
                                    {0x2028, 0x2029},
                                    {0x202F, 0x202F},
                                    {0x205F, 0x205F},
                                    {0x3000, 0x3000}});
}

CharSet CharSet::digit() { return *property("Nd"); }

CharSet CharSet::word() {
  return *property("L") | *property("M") | *property("Nd") | *property("Pc");
}

}  // namespace fathom::text
