#include "eval/python_text.h"

#include <unicode/locid.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "base/check.h"
#include "text/utf8.h"

namespace fathom::eval::python {
namespace {

// Python 3.11 knows Unicode 14; capital letters that came later are none to it.
bool is_newer_than_unicode_14(char32_t c) {
  UVersionInfo age;
  u_charAge(static_cast<UChar32>(c), age);
  return age[0] > 14;
}

// `text` without the characters at its ends for which `drop` holds.
template <typename Drop>
std::string_view strip_if(std::string_view text, Drop drop) {
  size_t begin = text.size(), end = 0;
  for (size_t at = 0; at < text.size();) {
    const text::CodePoint c = text::decode_utf8(text.data() + at);
    if (!drop(c.value)) {
      begin = std::min(begin, at);
      end = at + c.size;
    }
    at += c.size;
  }
  return end == 0 ? std::string_view() : text.substr(begin, end - begin);
}

// The white space that float() and int() pass over: not the separators U+001C to U+001F.
bool is_number_space(char32_t c) { return is_space(c) && (c < 0x1C || c > 0x1F); }

// What float() and int() read: white space gone, decimal digits of any script as ASCII, underscores
// dropped. Nothing where an underscore does not stand between two digits, or a character can be no
// part of a number.
std::optional<std::string> ascii_number(std::string_view text) {
  text = strip_if(text, is_number_space);
  std::string out;
  bool after_digit = false, after_underscore = false;
  for (size_t at = 0; at < text.size();) {
    const text::CodePoint c = text::decode_utf8(text.data() + at);
    at += c.size;
    const int digit = u_charDigitValue(static_cast<UChar32>(c.value));
    if (c.value == '_') {
      if (!after_digit) return std::nullopt;
      after_digit = false;
      after_underscore = true;
      continue;
    }
    if (after_underscore && digit < 0) return std::nullopt;
    if (digit < 0 && c.value >= 0x80) return std::nullopt;
    out += digit >= 0 ? static_cast<char>('0' + digit) : static_cast<char>(c.value);
    after_digit = digit >= 0;
    after_underscore = false;
  }
  if (after_underscore) return std::nullopt;
  return out;
}

bool equals_ignoring_case(std::string_view text, std::string_view lower_case) {
  if (text.size() != lower_case.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    if ((text[i] | 0x20) != lower_case[i]) return false;
  }
  return true;
}

bool all_ascii_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// The text after an optional sign.
std::string_view unsigned_part(std::string_view text) {
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) text.remove_prefix(1);
  return text;
}

bool is_decimal_float(std::string_view text) {
  size_t at = 0;
  const auto skip_digits = [&] {
    const size_t from = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
    return at - from;
  };
  size_t digits = skip_digits();
  if (at < text.size() && text[at] == '.') {
    ++at;
    digits += skip_digits();
  }
  if (digits == 0) return false;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    if (skip_digits() == 0) return false;
  }
  return at == text.size();
}

}  // namespace

bool is_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
         c == 0x205F || c == 0x3000;
}

bool is_upper(char32_t c) {
  return u_hasBinaryProperty(static_cast<UChar32>(c), UCHAR_UPPERCASE) &&
         !is_newer_than_unicode_14(c);
}

std::string_view strip(std::string_view text) { return strip_if(text, is_space); }

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> pieces;
  bool inside = false;
  for (size_t at = 0; at < text.size();) {
    const text::CodePoint c = text::decode_utf8(text.data() + at);
    if (is_space(c.value)) {
      inside = false;
    } else {
      if (!inside) pieces.emplace_back();
      inside = true;
      pieces.back().append(text, at, c.size);
    }
    at += c.size;
  }
  return pieces;
}

std::vector<std::string> split(std::string_view text, std::string_view separator) {
  FATHOM_CHECK(!separator.empty());
  std::vector<std::string> pieces;
  size_t from = 0;
  for (size_t at; (at = text.find(separator, from)) != std::string_view::npos;) {
    pieces.emplace_back(text.substr(from, at - from));
    from = at + separator.size();
  }
  pieces.emplace_back(text.substr(from));
  return pieces;
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string out;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) out += separator;
    out += parts[i];
  }
  return out;
}

std::string replace(std::string_view text, std::string_view from, std::string_view to) {
  FATHOM_CHECK(!from.empty());
  std::string out;
  size_t begin = 0;
  for (size_t at; (at = text.find(from, begin)) != std::string_view::npos;) {
    out.append(text, begin, at - begin);
    out += to;
    begin = at + from.size();
  }
  out.append(text, begin);
  return out;
}

std::string lower(std::string_view text) {
  std::string out;
  icu::UnicodeString::fromUTF8(icu::StringPiece(text.data(), static_cast<int32_t>(text.size())))
      .toLower(icu::Locale::getRoot())
      .toUTF8String(out);
  return out;
}

std::string upper(std::string_view text) {
  std::string out;
  icu::UnicodeString::fromUTF8(icu::StringPiece(text.data(), static_cast<int32_t>(text.size())))
      .toUpper(icu::Locale::getRoot())
      .toUTF8String(out);
  return out;
}

bool is_digit(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const text::CodePoint c = text::decode_utf8(text.data() + at);
    const int type = u_getIntPropertyValue(static_cast<UChar32>(c.value), UCHAR_NUMERIC_TYPE);
    if (type != U_NT_DECIMAL && type != U_NT_DIGIT) return false;
    at += c.size;
  }
  return !text.empty();
}

std::string without_middle(std::string_view text, size_t characters) {
  const size_t all = length(text);
  if (all <= characters) return std::string(text);
  const size_t head = characters / 2, tail_begins = all - (characters - head);
  std::string out;
  size_t character = 0;
  for (size_t at = 0; at < text.size(); ++character) {
    const size_t size = first_size(text.substr(at));
    if (character < head || character >= tail_begins) out.append(text, at, size);
    at += size;
  }
  return out;
}

size_t length(std::string_view text) {
  size_t characters = 0;
  for (const char byte : text) characters += (byte & 0xC0) != 0x80;
  return characters;
}

size_t first_size(std::string_view text) {
  return text.empty() ? 0 : text::decode_utf8(text.data()).size;
}

std::optional<double> to_float(std::string_view text) {
  const std::optional<std::string> number = ascii_number(text);
  if (!number) return std::nullopt;
  const std::string_view body = unsigned_part(*number);
  const bool negative = !number->empty() && (*number)[0] == '-';
  double value = 0;
  if (equals_ignoring_case(body, "nan")) {
    value = std::numeric_limits<double>::quiet_NaN();
  } else if (equals_ignoring_case(body, "inf") || equals_ignoring_case(body, "infinity")) {
    value = std::numeric_limits<double>::infinity();
  } else if (is_decimal_float(body)) {
    // Out of range is infinity or zero, as strtod has it; from_chars leaves the value alone then.
    value = std::strtod(std::string(body).c_str(), nullptr);
  } else {
    return std::nullopt;
  }
  return negative ? -value : value;
}

std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[64];
  const auto scientific =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  const std::string_view text(buffer, static_cast<size_t>(scientific.ptr - buffer));
  const size_t e = text.find('e');
  const int exponent = std::stoi(std::string(text.substr(e + 1)));
  if (exponent < -4 || exponent >= 16) return std::string(text);
  const auto fixed = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed);
  std::string out(buffer, fixed.ptr);
  if (out.find('.') == std::string::npos) out += ".0";
  return out;
}

bool is_int(std::string_view text) {
  const std::optional<std::string> number = ascii_number(text);
  return number && all_ascii_digits(unsigned_part(*number));
}

bool is_canonical_int(std::string_view text) {
  if (text == "0") return true;
  if (!text.empty() && text[0] == '-') text.remove_prefix(1);
  return all_ascii_digits(text) && text[0] != '0';
}

}  // namespace fathom::eval::python
