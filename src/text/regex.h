// The regexes by which a pre-tokenizer splits text, as a deterministic automaton over classes of
// code points: one table look-up a character, no backtracking.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace fathom::text {

/// A compiled pattern with the meaning Oniguruma gives it: of alternatives the first that matches
/// wins, quantifiers are greedy unless `?` follows. Known: literals, `.`, classes with ranges,
/// negation, nesting and `&&`, \p{L} \p{Lu} \p{Han} and so on, \s \d \w and their opposites, groups
/// (also (?:) and, for ASCII letters, (?i:)), `|`, `* + ? {n,m}`, and lookahead of one character.
/// Immutable, so safe to share between threads.
class SplitRegex {
 public:
  /// Throws Error(kUnsupported | kBadInput) as parse_regex does, also for a pattern that matches
  /// the empty string or needs too large an automaton.
  explicit SplitRegex(std::string_view pattern);

  static constexpr size_t kNone = static_cast<size_t>(-1);

  struct Match {
    size_t begin, end;  ///< begin == kNone: there is none
  };

  /// The leftmost match at or after `from` in `text`, which must be valid UTF-8. Lookahead sees the
  /// end of `text` as the end. An attempt that fails costs what it read: for the usual patterns all
  /// matches of a text together take time linear in it.
  Match find(std::string_view text, size_t from) const;

 private:
  friend class DfaBuilder;

  uint32_t class_of(uint32_t code_point) const {
    return pages_[page_of_[code_point >> 8] * 256u + (code_point & 255u)];
  }
  size_t match_at(const char* data, size_t pos, size_t size) const;

  // Classes of code points that no set in the pattern tells apart, in two levels.
  std::array<uint8_t, 0x1100> page_of_{};
  std::vector<uint8_t> pages_;
  uint32_t stride_ = 0;  // classes + 1; the last stands for the end of the text
  uint32_t start_ = 0;
  // [state][class]: offset of the next state's row << 1 | whether a match ends before this
  // character. Row 0 is the dead state.
  std::vector<uint32_t> next_;
  std::array<uint8_t, 256> can_start_{};  // by class
};

}  // namespace fathom::text
