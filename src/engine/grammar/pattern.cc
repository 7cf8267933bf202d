#include "engine/grammar/pattern.h"

#include <algorithm>
#include <memory>
#include <optional>

#include "base/error.h"

namespace fathom::engine {
namespace {

constexpr int kMaxPositions = 4000;
constexpr int64_t kMaxWork = 250'000;
constexpr int kMaxNesting = 100;
constexpr int kNoMax = -1;

const CharClass& digits() {
  static const CharClass set({{'0', '9'}});
  return set;
}
const CharClass& word() {
  static const CharClass set({{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}});
  return set;
}
const CharClass& space() {
  static const CharClass set({{'\t', '\r'},
                              {' ', ' '},
                              {0xA0, 0xA0},
                              {0x1680, 0x1680},
                              {0x2000, 0x200A},
                              {0x2028, 0x2029},
                              {0x202F, 0x202F},
                              {0x205F, 0x205F},
                              {0x3000, 0x3000},
                              {0xFEFF, 0xFEFF}});
  return set;
}
const CharClass& line_ends() {
  static const CharClass set({{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}});
  return set;
}
/// Control characters that a JSON string can only spell as \u00XX, and surrogates, which are no
/// characters though a range may go across them.
const CharClass& unspeakable() {
  static const CharClass set({{0, 7}, {0xB, 0xB}, {0xE, 0x1F}, {0xD800, 0xDFFF}});
  return set;
}

struct Ast {
  enum class Kind { kClass, kSequence, kEither, kRepeat };
  Kind kind = Kind::kSequence;
  CharClass set;
  std::vector<std::unique_ptr<Ast>> parts;
  int min = 0, max = 0;
};
using AstPtr = std::unique_ptr<Ast>;

AstPtr make(Ast::Kind kind) {
  auto node = std::make_unique<Ast>();
  node->kind = kind;
  return node;
}

AstPtr repeat(AstPtr part, int min, int max) {
  auto node = make(Ast::Kind::kRepeat);
  node->min = min;
  node->max = max;
  node->parts.push_back(std::move(part));
  return node;
}

AstPtr one_of(const CharClass& set) {
  auto node = make(Ast::Kind::kClass);
  node->set = set;
  return node;
}

class Parser {
 public:
  Parser(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  AstPtr parse() {
    auto node = make(Ast::Kind::kEither);
    do node->parts.push_back(whole_alternative());
    while (take('|'));
    if (!done()) bad("an unmatched )");
    return node;
  }

 private:
  bool done() const { return at_ >= text_.size(); }
  char peek() const { return done() ? '\0' : text_[at_]; }
  bool take(char c) {
    if (done() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  [[noreturn]] void bad(std::string_view what) const {
    fail(ErrorKind::kBadInput, "{}: {} at character {} of \"{}\"", where_, what, at_, text_);
  }
  [[noreturn]] void unknown(std::string_view what) const {
    fail(ErrorKind::kUnsupported, "{}: {} at character {} of \"{}\" is not supported", where_, what,
         at_, text_);
  }

  // With what may stand before and after it.
  AstPtr whole_alternative() {
    const auto anything = [] { return repeat(one_of(CharClass::all()), 0, kNoMax); };
    auto node = make(Ast::Kind::kSequence);
    if (!take('^')) node->parts.push_back(anything());
    node->parts.push_back(sequence());
    if (!take('$')) node->parts.push_back(anything());
    return node;
  }

  AstPtr alternatives() {
    auto node = make(Ast::Kind::kEither);
    do node->parts.push_back(sequence());
    while (take('|'));
    return node;
  }

  AstPtr sequence() {
    auto node = make(Ast::Kind::kSequence);
    while (!done() && peek() != '|' && peek() != ')' && peek() != '$') {
      node->parts.push_back(quantified());
    }
    const bool at_end =
        at_ + 1 == text_.size() || (at_ + 1 < text_.size() && text_[at_ + 1] == '|');
    if (peek() == '$' && (nesting_ > 0 || !at_end)) unknown("$ within a pattern");
    return node;
  }

  AstPtr quantified() {
    AstPtr part = atom();
    for (bool first = true;; first = false) {
      int min = 0, max = kNoMax;
      if (take('*')) {
      } else if (take('+')) {
        min = 1;
      } else if (take('?')) {
        max = 1;
      } else if (counts_follow()) {
        std::tie(min, max) = counts();
      } else {
        return part;
      }
      if (!first) bad("a second quantifier");
      take('?');  // lazy: the same language
      part = repeat(std::move(part), min, max);
    }
  }

  // {m}, {m,} or {m,n}; any other brace stands for itself (ECMA 262, annex B).
  bool counts_follow() const {
    if (peek() != '{') return false;
    const auto after_digits = [&](size_t i) {
      while (i < text_.size() && text_[i] >= '0' && text_[i] <= '9') ++i;
      return i;
    };
    size_t end = after_digits(at_ + 1);
    if (end == at_ + 1) return false;
    if (end < text_.size() && text_[end] == ',') end = after_digits(end + 1);
    return end < text_.size() && text_[end] == '}';
  }

  std::pair<int, int> counts() {
    take('{');
    const int min = number();
    int max = min;
    if (take(',')) max = peek() == '}' ? kNoMax : number();
    take('}');
    if (max != kNoMax && max < min) bad("a wrong {m,n}");
    return {min, max};
  }

  int number() {
    int value = 0;
    while (peek() >= '0' && peek() <= '9') {
      value = value * 10 + (text_[at_++] - '0');
      if (value > kMaxPositions) unknown("so large a count");
    }
    return value;
  }

  AstPtr atom() {
    if (take('(')) return group();
    if (take('[')) return one_of(bracket());
    if (take('.')) return one_of(CharClass::all().minus(line_ends()));
    if (take('\\')) return one_of(escape(false));
    if (peek() == '^') unknown("^ within a pattern");
    if (peek() == '*' || peek() == '+' || peek() == '?' || counts_follow()) {
      bad("nothing to repeat");
    }
    return one_of(single(code_point()));
  }

  AstPtr group() {
    if (take('?') && !take(':')) unknown("a group (?...)");
    if (++nesting_ > kMaxNesting) unknown("so deep a nesting");
    AstPtr inside = alternatives();
    --nesting_;
    if (!take(')')) bad("an unmatched (");
    return inside;
  }

  static CharClass single(uint32_t point) { return CharClass({{point, point}}); }

  CharClass bracket() {
    const bool negated = take('^');
    std::vector<CharClass::Range> ranges;
    const auto add = [&](const CharClass& set) {
      ranges.insert(ranges.end(), set.ranges().begin(), set.ranges().end());
    };
    while (!take(']')) {
      std::optional<uint32_t> first, last;
      const CharClass item = class_item(first);
      if (peek() != '-' || at_ + 1 >= text_.size() || text_[at_ + 1] == ']') {
        add(item);
        continue;
      }
      ++at_;
      const CharClass other = class_item(last);
      if (first && last) {
        if (*last < *first) bad("a wrong range");
        ranges.emplace_back(*first, *last);
      } else {  // [\w-.]: beside a class the dash stands for itself (ECMA 262, annex B)
        add(item);
        add(single('-'));
        add(other);
      }
    }
    const CharClass set(std::move(ranges));
    return negated ? CharClass::all().minus(set) : set;
  }

  CharClass class_item(std::optional<uint32_t>& point) {
    if (done()) bad("an unmatched [");
    if (!take('\\')) {
      point = code_point();
      return single(*point);
    }
    return escape(true, &point);
  }

  // What follows a backslash; `point` is set where it stands for one character.
  CharClass escape(bool in_class, std::optional<uint32_t>* point = nullptr) {
    if (done()) bad("a lone backslash");
    const char c = text_[at_++];
    const auto all = [] { return CharClass::all(); };
    switch (c) {
      case 'd':
        return digits();
      case 'D':
        return all().minus(digits());
      case 'w':
        return word();
      case 'W':
        return all().minus(word());
      case 's':
        return space();
      case 'S':
        return all().minus(space());
      default:
        break;
    }
    const uint32_t value = escaped_point(c, in_class);
    if (point != nullptr) *point = value;
    return single(value);
  }

  uint32_t escaped_point(char c, bool in_class) {
    switch (c) {
      case 't':
        return '\t';
      case 'n':
        return '\n';
      case 'v':
        return '\v';
      case 'f':
        return '\f';
      case 'r':
        return '\r';
      case '0':
        if (peek() >= '0' && peek() <= '9') break;
        return 0;
      case 'b':
        if (in_class) return '\b';
        break;
      case 'x':
        return hexadecimal(2);
      case 'u':
        return hexadecimal(4);
      default:
        if (std::string_view("^$\\.*+?()[]{}|/-\"'#%&,:;<=>@`~! ").find(c) !=
            std::string_view::npos) {
          return static_cast<uint32_t>(c);
        }
    }
    --at_;
    unknown(std::string("\\") + c);
  }

  uint32_t hexadecimal(int count) {
    uint32_t value = 0;
    for (int i = 0; i < count; ++i) {
      const char c = peek();
      const size_t digit = std::string_view("0123456789abcdef").find(static_cast<char>(c | 0x20));
      if (done() || digit == std::string_view::npos || (c < 'A' && c > '9')) {
        bad("a wrong \\x or \\u");
      }
      value = value * 16 + static_cast<uint32_t>(digit);
      ++at_;
    }
    if (value >= 0xD800 && value <= 0xDFFF) unknown("a surrogate");
    return value;
  }

  // The text is valid UTF-8.
  uint32_t code_point() {
    const auto lead = static_cast<uint8_t>(text_[at_++]);
    if (lead < 0x80) return lead;
    const int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
    uint32_t point = lead & (0x3Fu >> more);
    for (int i = 0; i < more && !done(); ++i) {
      point = point << 6 | (static_cast<uint8_t>(text_[at_++]) & 0x3F);
    }
    return point;
  }

  std::string_view text_;
  const std::string& where_;
  size_t at_ = 0;
  int nesting_ = 0;
};

/// A part of the expression: the positions it may begin and end with.
struct Fragment {
  bool nullable = true;
  std::vector<int32_t> first, last;
};

class Builder {
 public:
  explicit Builder(const std::string& where) : where_(where) { add(CharClass()); }

  Pattern build(const Ast& ast) {
    const Fragment whole = emit(ast);
    pattern_.followers[0] = whole.first;
    pattern_.accepting[0] = whole.nullable;
    for (int32_t p : whole.last) pattern_.accepting[p] = true;
    for (auto& followers : pattern_.followers) {
      std::ranges::sort(followers);
      followers.erase(std::unique(followers.begin(), followers.end()), followers.end());
    }
    return std::move(pattern_);
  }

 private:
  int32_t add(const CharClass& set) {
    if (std::ssize(pattern_.classes) > kMaxPositions) {
      fail(ErrorKind::kUnsupported, "{}: more than {} characters when written out", where_,
           kMaxPositions);
    }
    pattern_.classes.push_back(set);
    pattern_.followers.emplace_back();
    pattern_.accepting.push_back(false);
    return static_cast<int32_t>(pattern_.classes.size() - 1);
  }

  void link(const std::vector<int32_t>& from, const std::vector<int32_t>& to) {
    spend(static_cast<int64_t>(from.size() * to.size()));
    for (int32_t p : from) {
      auto& followers = pattern_.followers[p];
      followers.insert(followers.end(), to.begin(), to.end());
    }
  }

  // A short expression can ask for endless work: (((){4000}){4000}){4000}.
  void spend(int64_t work) {
    work_ += 1 + work;
    if (work_ > kMaxWork) fail(ErrorKind::kUnsupported, "{}: too large when written out", where_);
  }

  Fragment join(Fragment a, Fragment b) {
    spend(0);
    link(a.last, b.first);
    Fragment both{.nullable = a.nullable && b.nullable, .first = a.first, .last = b.last};
    if (a.nullable) both.first.insert(both.first.end(), b.first.begin(), b.first.end());
    if (b.nullable) both.last.insert(both.last.end(), a.last.begin(), a.last.end());
    return both;
  }

  Fragment emit(const Ast& ast) {
    spend(0);
    switch (ast.kind) {
      case Ast::Kind::kClass: {
        const CharClass set = ast.set.minus(unspeakable());
        if (set.empty()) {
          fail(ErrorKind::kUnsupported, "{}: a class that no plain character is in", where_);
        }
        spend(std::ssize(set.ranges()));
        const int32_t p = add(set);
        return {.nullable = false, .first = {p}, .last = {p}};
      }
      case Ast::Kind::kSequence: {
        Fragment whole;
        for (const AstPtr& part : ast.parts) whole = join(std::move(whole), emit(*part));
        return whole;
      }
      case Ast::Kind::kEither: {
        Fragment whole{.nullable = false, .first = {}, .last = {}};
        for (const AstPtr& part : ast.parts) {
          const Fragment one = emit(*part);
          whole.nullable |= one.nullable;
          whole.first.insert(whole.first.end(), one.first.begin(), one.first.end());
          whole.last.insert(whole.last.end(), one.last.begin(), one.last.end());
        }
        return whole;
      }
      case Ast::Kind::kRepeat:
        return repeated(*ast.parts[0], ast.min, ast.max);
    }
    return {};
  }

  // x{2,4} as x x (x (x)?)?, so that the links stay few.
  Fragment repeated(const Ast& part, int min, int max) {
    Fragment tail;
    if (max == kNoMax) {
      tail = emit(part);
      link(tail.last, tail.first);
      tail.nullable = tail.nullable || min == 0;
      --min;
    } else {
      for (int i = min; i < max; ++i) {
        tail = join(emit(part), std::move(tail));
        tail.nullable = true;
      }
    }
    Fragment whole;
    for (int i = 0; i < min; ++i) whole = join(std::move(whole), emit(part));
    return join(std::move(whole), std::move(tail));
  }

  const std::string& where_;
  Pattern pattern_;
  int64_t work_ = 0;
};

}  // namespace

Pattern compile_pattern(std::string_view regex, const std::string& where) {
  const AstPtr ast = Parser(regex, where).parse();
  return Builder(where).build(*ast);
}

}  // namespace fathom::engine
