// Code that a model wrote, out of the text around it.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace fathom::eval {

/// The inside of the last fenced block whose mark is one of `languages` (lower case; "" for a block
/// without one). A block that is not closed ends with the answer.
std::optional<std::string> code_block(const std::string& answer,
                                      std::initializer_list<std::string_view> languages);

/// Bytes as valid UTF-8: what isn't becomes U+FFFD.
std::string text_of(const std::string& bytes);

}  // namespace fathom::eval
