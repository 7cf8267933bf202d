#include "api/json_body.h"

#include "api/api_error.h"
#include "base/json_nesting.h"
#include "text/json_string.h"
#include "text/utf8.h"

namespace fathom::api {
namespace {

ApiError not_json(const std::string& problem) {
  return invalid_request("Failed to parse the request body as JSON: " + problem);
}

/// "expected `,` at line 1 column 5" out of nlohmann's own words.
std::string problem_of(const nlohmann::json::parse_error& error) {
  const std::string what = error.what();
  const size_t at = what.find("] ");
  return at == std::string::npos ? what : what.substr(at + 2);
}

}  // namespace

Json parse_json(std::string_view text) {
  if (const size_t at = text::find_invalid_utf8(text); at != std::string_view::npos) {
    fail(ErrorKind::kBadInput, "byte {} is not valid UTF-8", at);
  }
  const JsonNesting nesting = json_nesting(text);
  if (nesting.depth > kMaxJsonDepth) {
    fail(ErrorKind::kBadInput, "nested deeper than {} levels", kMaxJsonDepth);
  }
  if (nesting.keys > kMaxJsonKeys) {
    fail(ErrorKind::kBadInput, "an object of more than {} keys", kMaxJsonKeys);
  }
  try {
    return Json::parse(text);
  } catch (const nlohmann::json::exception& error) {
    const auto* syntax = dynamic_cast<const nlohmann::json::parse_error*>(&error);
    fail(ErrorKind::kBadInput, "{}", syntax ? problem_of(*syntax) : "a number is out of range");
  }
}

Json parse_body(std::string_view body) {
  Json parsed;
  try {
    parsed = parse_json(body);
  } catch (const Error& problem) {
    throw not_json(problem.what());
  }
  if (!parsed.is_object()) throw not_json("expected an object");
  return parsed;
}

std::string dump_json(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void append_json(std::string& out, std::string_view text) {
  if (text::find_invalid_utf8(text) != std::string_view::npos) {
    out += dump_json(text);
  } else {
    text::append_json_string(out, text);
  }
}

}  // namespace fathom::api
