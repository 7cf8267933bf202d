// Python's string operations on UTF-8.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fathom::text::jinja {

/// str.isspace of one character.
bool is_space(uint32_t code_point);

/// Without the white space (or, with `characters`, any of these) at the left or right end.
std::string_view strip(std::string_view s, bool left, bool right);
std::string_view strip(std::string_view s, bool left, bool right, std::string_view characters);

/// One view for each character.
std::vector<std::string_view> characters_of(std::string_view s);
/// str.split(): at runs of white space, at most `limit` times (-1: no limit).
std::vector<std::string_view> split_words(std::string_view s, int64_t limit);
/// str.split(separator); the separator is not empty.
std::vector<std::string_view> split_at(std::string_view s, std::string_view separator,
                                       int64_t limit);
/// str.splitlines().
std::vector<std::string_view> split_lines(std::string_view s);

/// str.replace; `limit` -1 for all.
std::string replace_all(std::string_view s, std::string_view from, std::string_view to,
                        int64_t limit);

// Throw std::domain_error for text beyond ASCII, whose case is not known here.
std::string upper(std::string_view s);
std::string lower(std::string_view s);
std::string capitalize(std::string_view s);
std::string title(std::string_view s);

}  // namespace fathom::text::jinja
