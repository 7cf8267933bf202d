// What Python's `str` and `float` do, as far as a published scorer's result leans on it. All
// strings are UTF-8; a "character" is a code point.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fathom::eval::python {

/// str.isspace of one character: 29 of them, the separators U+001C to U+001F included.
bool is_space(char32_t c);
/// str.isupper of one character: the derived property Uppercase as of Unicode 14.
bool is_upper(char32_t c);

/// str.strip()
std::string_view strip(std::string_view text);
/// str.split(): the pieces between runs of white space, none empty.
std::vector<std::string> split(std::string_view text);
/// str.split(separator), separator not empty.
std::vector<std::string> split(std::string_view text, std::string_view separator);
std::string join(const std::vector<std::string>& parts, std::string_view separator);
/// str.replace(from, to), `from` not empty.
std::string replace(std::string_view text, std::string_view from, std::string_view to);
/// str.lower() and str.upper(): full case mapping, İ becomes two characters and ß becomes SS.
std::string lower(std::string_view text);
std::string upper(std::string_view text);
/// str.isdigit()
bool is_digit(std::string_view text);

/// The first and the last characters, `characters` of them in all; the whole text where it has no
/// more.
std::string without_middle(std::string_view text, size_t characters);

/// len(text)
size_t length(std::string_view text);
/// Bytes of the first character; 0 for an empty text.
size_t first_size(std::string_view text);

/// float(text), or nothing where that raises ValueError: digits of any script, underscores between
/// digits, "nan", "inf" and "infinity" in any case.
std::optional<double> to_float(std::string_view text);
/// str(value) of a float: the shortest digits that read back, "1e-05", "1e+16", "nan".
std::string float_text(double value);
/// int(text) does not raise ValueError.
bool is_int(std::string_view text);
/// text == str(int(text))
bool is_canonical_int(std::string_view text);

}  // namespace fathom::eval::python
