#include "text/regex_syntax.h"

#include <string>

#include "base/error.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace fathom::text {
namespace {

constexpr int kMaxDepth = 50;
constexpr int kMaxRepeat = 1000;

using Kind = RegexNode::Kind;

RegexNode set_node(CharSet set) {
  RegexNode node;
  node.kind = Kind::kSet;
  node.set = std::move(set);
  return node;
}

// What also matches when case does not matter. Only ASCII letters have their case known here; two
// other characters fold to them.
CharSet fold_case(const CharSet& set) {
  CharSet folded = set;
  for (uint32_t c = 'a'; c <= 'z'; ++c) {
    const uint32_t upper = c - 'a' + 'A';
    const uint32_t other = c == 's' ? 0x17F : c == 'k' ? 0x212A : c;  // long s, Kelvin sign
    if (!set.contains(c) && !set.contains(upper) && !set.contains(other)) continue;
    folded = folded | CharSet(c, c) | CharSet(upper, upper) | CharSet(other, other);
  }
  return folded;
}

class Parser {
 public:
  explicit Parser(std::string_view pattern) : pattern_(pattern) {}

  RegexNode parse() {
    RegexNode node = alternation();
    if (!at_end()) bad("unmatched ')'");
    return node;
  }

 private:
  bool at_end() const { return pos_ == pattern_.size(); }
  bool looking_at(std::string_view s) const { return pattern_.substr(pos_).starts_with(s); }
  bool accept(std::string_view s) {
    if (!looking_at(s)) return false;
    pos_ += s.size();
    return true;
  }
  uint32_t next() {
    if (at_end()) bad("the pattern ends too early");
    const CodePoint c = decode_utf8(pattern_.data() + pos_);
    pos_ += c.size;
    return c.value;
  }
  [[noreturn]] void bad(std::string_view what) const {
    fail(ErrorKind::kBadInput, "regex \"{}\": {} at offset {}", pattern_, what, pos_);
  }
  [[noreturn]] void unknown(std::string_view what) const {
    fail(ErrorKind::kUnsupported, "regex \"{}\": {} at offset {} is not supported", pattern_, what,
         pos_);
  }

  RegexNode alternation() {
    if (++depth_ > kMaxDepth) unknown("nesting this deep");
    RegexNode node;
    node.kind = Kind::kAlternate;
    do {
      node.children.push_back(concatenation());
    } while (accept("|"));
    --depth_;
    if (node.children.size() == 1) return std::move(node.children[0]);
    return node;
  }

  RegexNode concatenation() {
    RegexNode node;
    node.kind = Kind::kConcat;
    while (!at_end() && !looking_at("|") && !looking_at(")")) node.children.push_back(repetition());
    return node;
  }

  RegexNode repetition() {
    RegexNode item = atom();
    int min = 1, max = 1;
    if (accept("*")) {
      min = 0, max = -1;
    } else if (accept("+")) {
      max = -1;
    } else if (accept("?")) {
      min = 0;
    } else if (!accept_counts(min, max)) {
      return item;
    }
    if (item.kind == Kind::kLook) unknown("a repeated lookahead");
    RegexNode node;
    node.kind = Kind::kRepeat;
    node.min = min;
    node.max = max;
    node.greedy = !accept("?");
    node.children.push_back(std::move(item));
    if (looking_at("+")) unknown("a possessive quantifier");
    if (looking_at("*") || looking_at("?") || looking_at("{"))
      unknown("a quantifier of a quantifier");
    return node;
  }

  // {n}, {n,}, {,m} or {n,m}. Anything else in braces is refused rather than taken as text.
  bool accept_counts(int& min, int& max) {
    if (!accept("{")) return false;
    const int low = number();
    if (accept("}")) {
      if (low < 0) unknown("'{}'");
      min = max = low;
      return true;
    }
    if (!accept(",")) unknown("'{' as text");
    const int high = number();
    if (!accept("}") || (low < 0 && high < 0)) unknown("'{' as text");
    if (high >= 0 && high < low) bad("counts out of order");
    min = low < 0 ? 0 : low;
    max = high;
    return true;
  }

  // -1 when there are no digits.
  int number() {
    int value = -1;
    while (!at_end() && pattern_[pos_] >= '0' && pattern_[pos_] <= '9') {
      value = (value < 0 ? 0 : value) * 10 + (pattern_[pos_++] - '0');
      if (value > kMaxRepeat) unknown("a count above 1000");
    }
    return value;
  }

  RegexNode atom() {
    if (accept("(")) return group();
    if (accept("[")) return set_node(folded(char_class()));
    if (accept("\\")) return set_node(folded(escape()));
    if (accept(".")) return set_node(~CharSet('\n', '\n'));
    for (const std::string_view special : {"^", "$"}) {
      if (looking_at(special)) unknown(special == "^" ? "the anchor '^'" : "the anchor '$'");
    }
    for (const std::string_view special : {"*", "+", "?"}) {
      if (looking_at(special)) bad("nothing to repeat");
    }
    const uint32_t c = next();
    return set_node(folded(CharSet(c, c)));
  }

  CharSet folded(CharSet set) const { return ignore_case_ ? fold_case(set) : set; }

  RegexNode group() {
    const bool outer_case = ignore_case_;
    bool look = false, negate = false;
    if (accept("?")) {
      if (accept("i:")) {
        ignore_case_ = true;
      } else if (accept("=")) {
        look = true;
      } else if (accept("!")) {
        look = negate = true;
      } else if (!accept(":")) {
        unknown("this kind of group");
      }
    }
    RegexNode inside = alternation();
    if (!accept(")")) bad("missing ')'");
    ignore_case_ = outer_case;
    if (!look) return inside;
    while (inside.kind == Kind::kConcat && inside.children.size() == 1) {
      RegexNode only = std::move(inside.children[0]);
      inside = std::move(only);
    }
    if (inside.kind != Kind::kSet) unknown("a lookahead of more than one character");
    inside.kind = Kind::kLook;
    inside.negate = negate;
    return inside;
  }

  // After '['.
  CharSet char_class() {
    if (++depth_ > kMaxDepth) unknown("nesting this deep");
    const bool negate = accept("^");
    CharSet all = CharSet(0, kMaxCodePoint);
    CharSet part;
    bool first = true;
    while (first || !accept("]")) {
      if (at_end()) bad("missing ']'");
      if (first && looking_at("]")) unknown("']' first in a class");
      first = false;
      if (accept("&&")) {
        all = all & part;
        part = CharSet();
        continue;
      }
      part = part | class_item();
    }
    --depth_;
    all = all & part;
    return negate ? ~all : all;
  }

  CharSet class_item() {
    if (looking_at("[:")) unknown("a POSIX bracket");
    if (accept("[")) return char_class();
    const bool escaped = accept("\\");
    const CharSet low = escaped ? escape() : literal();
    const bool single = low.ranges().size() == 1 && low.ranges()[0].first == low.ranges()[0].last;
    if (!looking_at("-") || looking_at("-]") || looking_at("-[") || !single) return low;
    accept("-");
    const CharSet high = accept("\\") ? escape() : literal();
    if (high.ranges().size() != 1 || high.ranges()[0].first != high.ranges()[0].last) {
      bad("a range that ends in a class");
    }
    const uint32_t from = low.ranges()[0].first, to = high.ranges()[0].first;
    if (from > to) bad("a range out of order");
    return CharSet(from, to);
  }

  CharSet literal() {
    const uint32_t c = next();
    return CharSet(c, c);
  }

  // After '\'.
  CharSet escape() {
    const uint32_t c = next();
    switch (c) {
      case 'n':
        return CharSet('\n', '\n');
      case 'r':
        return CharSet('\r', '\r');
      case 't':
        return CharSet('\t', '\t');
      case 'f':
        return CharSet('\f', '\f');
      case 'v':
        return CharSet('\v', '\v');
      case 's':
        return CharSet::white_space();
      case 'S':
        return ~CharSet::white_space();
      case 'd':
        return CharSet::digit();
      case 'D':
        return ~CharSet::digit();
      case 'w':
        return CharSet::word();
      case 'W':
        return ~CharSet::word();
      case 'p':
        return property();
      case 'P':
        return ~property();
      case 'x':
        return accept("{") ? hex(1, 8, true) : hex(1, 2, false);
      case 'u':
        return hex(4, 4, false);
      default:
        break;
    }
    const bool alphanumeric =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0x80;
    if (alphanumeric) {
      --pos_;
      unknown("the escape '\\" + std::string(1, pattern_[pos_]) + "'");
    }
    return CharSet(c, c);
  }

  CharSet property() {
    if (!accept("{")) bad("expected '{'");
    const bool negate = accept("^");
    const size_t end = pattern_.find('}', pos_);
    if (end == std::string_view::npos) bad("missing '}'");
    const std::string_view name = pattern_.substr(pos_, end - pos_);
    const auto set = CharSet::property(name);
    if (!set) unknown("the property '" + std::string(name) + "'");
    pos_ = end + 1;
    return negate ? ~*set : *set;
  }

  CharSet hex(int least, int most, bool braced) {
    uint64_t value = 0;
    int digits = 0;
    for (; digits < most && !at_end(); ++digits, ++pos_) {
      const char c = pattern_[pos_];
      const bool decimal = c >= '0' && c <= '9';
      const char lower = static_cast<char>(c | 0x20);
      if (!decimal && (lower < 'a' || lower > 'f')) break;
      value = value * 16 + static_cast<uint64_t>(decimal ? c - '0' : lower - 'a' + 10);
    }
    if (digits < least) bad("too few hexadecimal digits");
    if (braced && !accept("}")) bad("missing '}'");
    if (value > kMaxCodePoint) bad("no such code point");
    return CharSet(static_cast<uint32_t>(value), static_cast<uint32_t>(value));
  }

  std::string_view pattern_;
  size_t pos_ = 0;
  int depth_ = 0;
  bool ignore_case_ = false;
};

}  // namespace

RegexNode parse_regex(std::string_view pattern) {
  require_utf8(pattern, "regex");
  if (pattern.size() > 4096) {
    fail(ErrorKind::kUnsupported, "regex of {} bytes: at most 4096 are supported", pattern.size());
  }
  return Parser(pattern).parse();
}

}  // namespace fathom::text
