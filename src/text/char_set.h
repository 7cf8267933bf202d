// Sets of code points, as the character classes of a regex make them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace fathom::text {

/// Sorted, disjoint, non-adjacent inclusive ranges of code points.
class CharSet {
 public:
  struct Range {
    uint32_t first, last;
    bool operator==(const Range&) const = default;
  };

  CharSet() = default;
  CharSet(uint32_t first, uint32_t last) : ranges_{{first, last}} {}

  const std::vector<Range>& ranges() const { return ranges_; }
  bool empty() const { return ranges_.empty(); }
  bool contains(uint32_t code_point) const;
  bool operator==(const CharSet&) const = default;

  CharSet operator|(const CharSet& other) const;
  CharSet operator&(const CharSet& other) const;
  CharSet operator~() const;

  /// A general category ("L", "Lu") or the script "Han"; nothing for any other name.
  static std::optional<CharSet> property(std::string_view name);
  static CharSet white_space();  ///< \s: the White_Space property
  static CharSet digit();        ///< \d
  static CharSet word();         ///< \w: letters, marks, decimal numbers, connector punctuation

 private:
  explicit CharSet(std::vector<Range> ranges);
  std::vector<Range> ranges_;
};

}  // namespace fathom::text
