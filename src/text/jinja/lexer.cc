#include "text/jinja/lexer.h"

#include <algorithm>
#include <cctype>

#include "text/jinja/strings.h"
#include "text/utf8.h"

namespace fathom::text::jinja {
namespace {

using Kind = Token::Kind;

bool name_start(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_'; }
bool digit(char c) { return c >= '0' && c <= '9'; }

// One kind of line end, and not the one at the very end: what Jinja2 does to a source first.
std::string normalized(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      out += source[i];
    }
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(normalized(source)) {}

  std::vector<Token> run() {
    while (pos_ < source_.size()) text_then_tag();
    add(Kind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  bool looking_at(std::string_view s) const {
    return std::string_view(source_).substr(pos_).starts_with(s);
  }
  void add(Kind kind, std::string text) { tokens_.push_back({kind, std::move(text), line_}); }
  void advance(size_t to) {
    line_ += static_cast<int>(std::count(source_.begin() + static_cast<ptrdiff_t>(pos_),
                                         source_.begin() + static_cast<ptrdiff_t>(to), '\n'));
    pos_ = to;
  }

  void text_then_tag() {
    size_t open = pos_;
    while (true) {
      open = source_.find('{', open);
      if (open == std::string::npos || open + 1 >= source_.size()) {
        open = source_.size();
        break;
      }
      const char next = source_[open + 1];
      if (next == '{' || next == '%' || next == '#') break;
      ++open;
    }
    std::string text = source_.substr(pos_, open - pos_);
    const bool tag = open < source_.size();
    if (tag) strip_before_tag(text, open);
    if (!text.empty()) add(Kind::kText, std::move(text));
    advance(open);
    if (tag) read_tag();
  }

  // White space between the text and the tag at `open`.
  void strip_before_tag(std::string& text, size_t open) const {
    const char control = open + 2 < source_.size() ? source_[open + 2] : '\0';
    if (control == '-') {
      text.resize(strip(text, false, true).size());
      return;
    }
    if (control == '+' || source_[open + 1] == '{') return;
    const size_t newline = text.rfind('\n');
    const size_t line_start = newline == std::string::npos ? 0 : newline + 1;
    if (newline == std::string::npos && !at_line_start_) return;
    if (strip(std::string_view(text).substr(line_start), true, true).empty())
      text.resize(line_start);
  }

  void read_tag() {
    const char kind = source_[pos_ + 1];
    const bool control =
        pos_ + 2 < source_.size() && (source_[pos_ + 2] == '-' || source_[pos_ + 2] == '+');
    const size_t inside = pos_ + (control ? 3 : 2);
    if (kind == '#') return comment(inside);
    if (kind == '%' && raw_block(inside)) return;
    add(kind == '{' ? Kind::kExpressionBegin : Kind::kStatementBegin, "");
    advance(inside);
    inside_tag(kind == '{' ? "}}" : "%}", kind == '{' ? Kind::kExpressionEnd : Kind::kStatementEnd);
  }

  void comment(size_t inside) {
    const size_t end = source_.find("#}", inside);
    if (end == std::string::npos) fail_at(ErrorKind::kBadInput, line_, "missing '#}}'");
    const char control = end > inside ? source_[end - 1] : '\0';
    after_tag(end + 2, control, true);
  }

  // {% raw %} ... {% endraw %}: its content is text as it stands.
  bool raw_block(size_t inside) {
    const auto word_end = [this](size_t at, std::string_view word) -> size_t {
      while (at < source_.size() && std::isspace(static_cast<unsigned char>(source_[at]))) ++at;
      if (source_.compare(at, word.size(), word) != 0) return 0;
      at += word.size();
      while (at < source_.size() && std::isspace(static_cast<unsigned char>(source_[at]))) ++at;
      if (at < source_.size() && (source_[at] == '-' || source_[at] == '+')) ++at;
      return source_.compare(at, 2, "%}") == 0 ? at + 2 : 0;
    };
    const size_t begin = word_end(inside, "raw");
    if (begin == 0) return false;
    after_tag(begin, source_[begin - 3], true);
    size_t open = pos_;
    for (; (open = source_.find("{%", open)) != std::string::npos; open += 2) {
      const bool control =
          open + 2 < source_.size() && (source_[open + 2] == '-' || source_[open + 2] == '+');
      const size_t end = word_end(open + (control ? 3 : 2), "endraw");
      if (end == 0) continue;
      std::string text = source_.substr(pos_, open - pos_);
      strip_before_tag(text, open);
      if (!text.empty()) add(Kind::kText, std::move(text));
      after_tag(end, source_[end - 3], true);
      return true;
    }
    fail_at(ErrorKind::kBadInput, line_, "missing {{% endraw %}}");
  }

  // Goes on at `end`, just after a tag, past the white space that the tag takes along.
  void after_tag(size_t end, char control, bool trim_newline) {
    advance(end);
    at_line_start_ = false;
    if (control == '-') {
      const std::string_view rest = std::string_view(source_).substr(pos_);
      advance(pos_ + rest.size() - strip(rest, true, false).size());
      at_line_start_ = pos_ > end && source_[pos_ - 1] == '\n';
    } else if (control != '+' && trim_newline && looking_at("\n")) {
      advance(pos_ + 1);
      at_line_start_ = true;
    }
  }

  void inside_tag(std::string_view close, Kind end_kind) {
    std::string brackets;
    while (true) {
      while (pos_ < source_.size() && std::isspace(static_cast<unsigned char>(source_[pos_])))
        advance(pos_ + 1);
      if (pos_ >= source_.size()) fail_at(ErrorKind::kBadInput, line_, "missing '{}'", close);
      if (brackets.empty()) {
        const char c = source_[pos_];
        const bool control = (c == '-' || (c == '+' && close == "%}")) &&
                             std::string_view(source_).substr(pos_ + 1).starts_with(close);
        if (control || looking_at(close)) {
          add(end_kind, "");
          after_tag(pos_ + (control ? 3 : 2), control ? c : '\0', close == "%}");
          return;
        }
      }
      token(brackets);
    }
  }

  void token(std::string& brackets) {
    const char c = source_[pos_];
    if (c == '"' || c == '\'') return string_literal(c);
    if (digit(c)) return number();
    if (name_start(c)) {
      size_t end = pos_;
      while (end < source_.size() && (name_start(source_[end]) || digit(source_[end]))) ++end;
      add(Kind::kName, source_.substr(pos_, end - pos_));
      return advance(end);
    }
    static constexpr std::string_view kOperators[] = {
        "==", "!=", ">=", "<=", "//", "**", "+", "-", "*", "/", "%", "~", "<",
        ">",  "=",  "(",  ")",  "[",  "]",  "{", "}", ",", ".", ":", "|", ";"};
    for (const std::string_view op : kOperators) {
      if (!looking_at(op)) continue;
      track_bracket(op[0], brackets);
      add(Kind::kOperator, std::string(op));
      return advance(pos_ + op.size());
    }
    const CodePoint odd = decode_utf8(source_.data() + pos_);
    fail_at(ErrorKind::kBadInput, line_, "unexpected character '{}'",
            source_.substr(pos_, odd.size));
  }

  void track_bracket(char c, std::string& brackets) const {
    if (c == '(' || c == '[' || c == '{') brackets += c;
    if (c != ')' && c != ']' && c != '}') return;
    const char open = c == ')' ? '(' : c == ']' ? '[' : '{';
    if (brackets.empty() || brackets.back() != open)
      fail_at(ErrorKind::kBadInput, line_, "unexpected '{}'", c);
    brackets.pop_back();
  }

  void number() {
    size_t end = pos_;
    const auto digits = [&] {
      while (end < source_.size() && (digit(source_[end]) || source_[end] == '_')) ++end;
    };
    digits();
    bool is_float = false;
    if (end + 1 < source_.size() && source_[end] == '.' && digit(source_[end + 1])) {
      is_float = true;
      ++end;
      digits();
    }
    if (end < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
      size_t exponent = end + 1;
      if (exponent < source_.size() && (source_[exponent] == '+' || source_[exponent] == '-'))
        ++exponent;
      if (exponent < source_.size() && digit(source_[exponent])) {
        is_float = true;
        end = exponent;
        digits();
      }
    }
    std::string text = source_.substr(pos_, end - pos_);
    std::erase(text, '_');
    add(is_float ? Kind::kFloat : Kind::kInteger, std::move(text));
    advance(end);
  }

  void string_literal(char quote) {
    std::string value;
    const int first_line = line_;
    size_t at = pos_ + 1;
    for (;; ++at) {
      if (at >= source_.size())
        fail_at(ErrorKind::kBadInput, first_line, "a string without its end");
      if (source_[at] == quote) break;
      if (source_[at] != '\\') {
        value += source_[at];
      } else if (++at < source_.size()) {
        escape(value, at);
      }
    }
    tokens_.push_back({Kind::kString, std::move(value), first_line});
    advance(at + 1);
  }

  // The escape whose letter is at `at`; leaves `at` on its last character.
  void escape(std::string& value, size_t& at) const {
    const char c = source_[at];
    static constexpr std::string_view kLetters = "ntrbfva0\\'\"\n";
    static constexpr std::string_view kValues("\n\t\r\b\f\v\a\0\\'\"", 11);
    const size_t known = kLetters.find(c);
    if (known != std::string_view::npos) {
      if (known < kValues.size()) value += kValues[known];  // an escaped line end is nothing
      return;
    }
    const size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (digits == 0) {
      value += '\\';
      value += c;
      return;
    }
    uint32_t code = 0;
    for (size_t i = 0; i < digits; ++i) {
      if (++at >= source_.size() || !std::isxdigit(static_cast<unsigned char>(source_[at]))) {
        fail_at(ErrorKind::kBadInput, line_, "the escape '\\{}' needs {} hexadecimal digits", c,
                digits);
      }
      code =
          code * 16 + static_cast<uint32_t>(digit(source_[at]) ? source_[at] - '0'
                                                               : (source_[at] | 0x20) - 'a' + 10);
    }
    if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) {
      fail_at(ErrorKind::kBadInput, line_, "the escape '\\{}' names no character", c);
    }
    append_utf8(value, code);
  }

  std::string source_;
  size_t pos_ = 0;
  int line_ = 1;
  bool at_line_start_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize_template(std::string_view source) {
  require_utf8(source, "chat template");
  return Lexer(source).run();
}

}  // namespace fathom::text::jinja
