// A request's body as JSON, safe to walk.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace fathom::api {

/// Keeps the order of keys: a tool's schema reaches the model as the client wrote it.
using Json = nlohmann::ordered_json;

/// Nested deeper than this nothing sensible is; deeper still, walking it would exhaust the stack.
inline constexpr size_t kMaxJsonDepth = 100;
/// Keys of one object. Ordered objects are lists, in which finding a key takes its length.
inline constexpr size_t kMaxJsonKeys = 1024;

/// Throws ApiError 400 for what is not one JSON object in valid UTF-8 within the limits above.
Json parse_body(std::string_view body);
/// Any JSON value, within the same limits. Throws Error(kBadInput) with the problem alone.
Json parse_json(std::string_view text);

/// `value` as text that is valid UTF-8 whatever it holds.
std::string dump_json(const Json& value);
/// Appends dump_json(text) to `out`, but faster: every token's text goes through it.
void append_json(std::string& out, std::string_view text);

}  // namespace fathom::api
