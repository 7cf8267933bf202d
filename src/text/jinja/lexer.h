// A template's source as text, tags and the tokens inside tags.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace fathom::text::jinja {

struct Token {
  enum class Kind {
    kText,             ///< outside of tags, white space control done
    kExpressionBegin,  ///< {{
    kExpressionEnd,
    kStatementBegin,  ///< {%
    kStatementEnd,
    kName,
    kString,
    kInteger,
    kFloat,
    kOperator,
    kEnd,
  };
  Kind kind = Kind::kEnd;
  std::string text;  ///< a string's value, a number's digits, an operator's characters
  int line = 1;

  bool is_operator(std::string_view op) const { return kind == Kind::kOperator && text == op; }
  bool is_name(std::string_view name) const { return kind == Kind::kName && text == name; }
};

/// Follows Jinja2 with trim_blocks and lstrip_blocks, the setting that chat templates are written
/// for: a newline after a statement goes, so does white space before one that is first in its line;
/// `-` takes all white space on its side, `+` keeps it. The last token is kEnd.
/// Throws Error with the line.
std::vector<Token> tokenize_template(std::string_view source);

/// Throws Error(kind, "chat template, line N: ...").
template <typename... Args>
[[noreturn]] void fail_at(ErrorKind kind, int line, fmt::format_string<Args...> format,
                          Args&&... args) {
  fail(kind, "chat template, line {}: {}", line, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace fathom::text::jinja
