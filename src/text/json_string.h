// Text as a JSON string.
#pragma once

#include <string>
#include <string_view>

namespace fathom::text {

/// Appends `text` in quotes, with the escapes that JSON demands and no others. What is not UTF-8
/// stays as it is.
void append_json_string(std::string& out, std::string_view text);

}  // namespace fathom::text
