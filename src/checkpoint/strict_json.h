// JSON from files that nobody vouches for.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace fathom {

/// A name or value from a file, fit to stand in a one-line message: quoted, shortened, with control
/// characters and broken UTF-8 escaped.
std::string printable(std::string_view text);

/// The document. Throws Error(kBadInput), naming `origin`, for text that is not JSON (broken UTF-8
/// included), a key that stands twice in one object, or nesting deeper than `max_depth`.
nlohmann::ordered_json parse_strict_json(std::string_view text, const std::string& origin,
                                         int max_depth = 16);

/// What a JSON library's exception says, without its library-internal prefix, fit for one line.
std::string json_complaint(const char* what);

}  // namespace fathom
