// Regular expressions of JSON Schema's "pattern" as automata over code points.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fathom::engine {

/// A set of code points: sorted, disjoint, closed ranges.
class CharClass {
 public:
  using Range = std::pair<uint32_t, uint32_t>;

  CharClass() = default;
  explicit CharClass(std::vector<Range> ranges);
  /// Every code point but the surrogates.
  static const CharClass& all();

  bool contains(uint32_t point) const;
  enum class Share { kNone, kSome, kAll };
  /// How much of [first, last] it has.
  Share share_of(uint32_t first, uint32_t last) const;
  CharClass minus(const CharClass& other) const;
  const std::vector<Range>& ranges() const { return ranges_; }
  bool empty() const { return ranges_.empty(); }

 private:
  std::vector<Range> ranges_;
};

/// A regular expression by positions (Glushkov): a state is the position that the last character
/// matched, 0 before the first. From every position a match can be reached, with characters that a
/// JSON string can spell other than by \u.
struct Pattern {
  std::vector<CharClass> classes;               // by position; [0] is empty
  std::vector<std::vector<int32_t>> followers;  // by position
  std::vector<bool> accepting;                  // by position
};

/// From ECMA 262's syntax: literals, `.`, classes, \d \D \w \W \s \S, \t \n \v \f \r \0 \xHH
/// \uHHHH, escaped punctuation, groups, alternatives, * + ? {m} {m,} {m,n}; ^ and $ at the two ends
/// of an alternative of the whole. Without them anything may come before or after. As annex B has
/// it, a brace without counts and a dash beside a class stand for themselves. Throws Error:
/// `where` names the place; kUnsupported for other syntax (look-around, back references, \b, \p,
/// lazy quantifiers' marks are dropped), kBadInput for what is none.
Pattern compile_pattern(std::string_view regex, const std::string& where);

}  // namespace fathom::engine
