#include "eval/python_regex.h"

#include <unicode/regex.h>
#include <unicode/unistr.h>

#include "base/check.h"
#include "base/error.h"

namespace fathom::eval::python {
namespace {

constexpr std::string_view kSpace =
    "\\u0009-\\u000D\\u001C-\\u0020\\u0085\\u00A0\\u1680\\u2000-\\u200A\\u2028\\u2029\\u202F\\u205F"
    "\\u3000";
// Some of the published patterns take time quadratic in the text. The engine counts in units of
// about a millisecond.
constexpr int32_t kTimeLimit = 5000;

constexpr std::string_view kWord = "\\p{L}\\p{N}_";

icu::UnicodeString wide(std::string_view text) {
  return icu::UnicodeString::fromUTF8(
      icu::StringPiece(text.data(), static_cast<int32_t>(text.size())));
}

std::string narrow(const icu::UnicodeString& text) {
  std::string out;
  text.toUTF8String(out);
  return out;
}

// ICU's \s, \w and \b differ from Python's, so each is spelled out.
std::string in_icu_syntax(std::string_view pattern) {
  std::string out;
  bool in_set = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '[') in_set = true;
    if (c == ']') in_set = false;
    if (c != '\\' || i + 1 == pattern.size()) {
      out += c;
      continue;
    }
    const char escaped = pattern[++i];
    const std::string space(kSpace), word(kWord);
    switch (escaped) {
      case 's':
        out += in_set ? space : "[" + space + "]";
        break;
      case 'S':
        out += "[^" + space + "]";
        break;
      case 'w':
        out += in_set ? word : "[" + word + "]";
        break;
      case 'd':
        out += "\\p{Nd}";
        break;
      case 'b':
        out += "(?:(?<=[" + word + "])(?![" + word + "])|(?<![" + word + "])(?=[" + word + "]))";
        break;
      default:
        out += {c, escaped};
    }
  }
  return out;
}

void require(UErrorCode status) {
  // A text that drives the engine over its limits is the one way to get here.
  if (U_FAILURE(status)) {
    fail(ErrorKind::kResource, "a scorer's pattern could not be matched: {}", u_errorName(status));
  }
}

Regex::Groups groups_of(icu::RegexMatcher& matcher) {
  Regex::Groups groups;
  for (int32_t g = 0; g <= matcher.groupCount(); ++g) {
    UErrorCode status = U_ZERO_ERROR;
    if (matcher.start(g, status) < 0) {
      groups.emplace_back();
    } else {
      groups.emplace_back(narrow(matcher.group(g, status)));
    }
    require(status);
  }
  return groups;
}

}  // namespace

struct Regex::Compiled {
  std::unique_ptr<icu::RegexPattern> pattern;

  // A matcher reads `text` for as long as it lives.
  std::unique_ptr<icu::RegexMatcher> matcher(const icu::UnicodeString& text) const {
    UErrorCode status = U_ZERO_ERROR;
    std::unique_ptr<icu::RegexMatcher> made(pattern->matcher(text, status));
    if (made) made->setTimeLimit(kTimeLimit, status);
    require(status);
    return made;
  }
};

Regex::Regex(std::string_view pattern) : compiled_(std::make_unique<Compiled>()) {
  UErrorCode status = U_ZERO_ERROR;
  UParseError where;
  compiled_->pattern.reset(
      icu::RegexPattern::compile(wide(in_icu_syntax(pattern)), UREGEX_UNIX_LINES, where, status));
  FATHOM_CHECK(U_SUCCESS(status));
}

Regex::~Regex() = default;
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;

std::optional<Regex::Groups> Regex::search(std::string_view text) const {
  const icu::UnicodeString input = wide(text);
  const auto matcher = compiled_->matcher(input);
  UErrorCode status = U_ZERO_ERROR;
  const bool found = matcher->find(status);
  require(status);
  if (!found) return std::nullopt;
  return groups_of(*matcher);
}

std::vector<Regex::Groups> Regex::find_all(std::string_view text) const {
  const icu::UnicodeString input = wide(text);
  const auto matcher = compiled_->matcher(input);
  std::vector<Groups> all;
  UErrorCode status = U_ZERO_ERROR;
  while (matcher->find(status)) all.push_back(groups_of(*matcher));
  require(status);
  return all;
}

std::string Regex::substitute(std::string_view text, std::string_view replacement) const {
  const icu::UnicodeString input = wide(text);
  const auto matcher = compiled_->matcher(input);
  UErrorCode status = U_ZERO_ERROR;
  const icu::UnicodeString out = matcher->replaceAll(wide(replacement), status);
  require(status);
  return narrow(out);
}

}  // namespace fathom::eval::python
