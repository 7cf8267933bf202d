#include "api/upstream/upstream_error.h"

#include <fmt/format.h>

#include "api/upstream/lenient_json.h"

namespace fathom::api {
namespace {

constexpr size_t kMostWords = 1000;

/// FastAPI's {"detail": [{"loc": ["body", "max_tokens"], "msg": "..."}]}.
std::string words_of_detail(const Json& detail) {
  if (detail.is_string()) return detail.get<std::string>();
  if (!detail.is_array() || detail.empty()) return "";
  const Json& first = detail[0];
  std::string where;
  if (const Json* place = member(&first, "loc"); place && place->is_array()) {
    for (const Json& step : *place) {
      if (!where.empty()) where += ".";
      where += step.is_string() ? step.get<std::string>() : step.dump();
    }
  }
  const std::string problem = text_member(&first, "msg");
  return where.empty() ? problem : where + ": " + problem;
}

/// vLLM, SGLang, LMDeploy and TensorRT-LLM: {"object": "error", "message", "type", "code"}; OpenAI,
/// DeepSeek and newer vLLM: {"error": {"message", ...}}; MindIE and TGI: {"error": "...",
/// "error_type": "..."}; FastAPI before any of them: {"detail": ...}.
std::string words_of(const Json& body) {
  const Json* error = member(&body, "error");
  if (error && error->is_string()) return error->get<std::string>();
  if (std::string words = text_member(error, "message"); !words.empty()) return words;
  if (std::string words = text_member(&body, "message"); !words.empty()) return words;
  if (const Json* detail = member(&body, "detail")) return words_of_detail(*detail);
  return "";
}

int code_of(const Json& body) {
  const Json* error = member(&body, "error");
  const auto code = count_member(error ? error : &body, "code");
  return code && *code >= 400 && *code < 600 ? static_cast<int>(*code) : 500;
}

ApiError told(int status, const std::string& words) {
  constexpr const char* kInvalid = "invalid_request_error";
  switch (status) {
    case 400:
    case 413:
    case 422:
      return {status, kInvalid, words.empty() ? "The model's server refuses the request" : words};
    case 429:
      return {429, "rate_limit_error", "Rate limit reached: the model's server takes no more"};
    case 503:
    case 529:
      return overloaded("The model's server is overloaded");
    default:
      return server_error();
  }
}

}  // namespace

std::string upstream_words(std::string_view body) {
  std::string words;
  try {
    words = words_of(parse_json(body));
  } catch (const Error&) {
    // A proxy's page, most likely.
  }
  if (words.empty()) words = body.substr(0, kMostWords);
  if (words.size() > kMostWords) words.resize(kMostWords);
  return words;
}

UpstreamProblem response_problem(int status, std::string_view body) {
  const std::string words = upstream_words(body);
  if (status >= 300 && status < 400) {
    return {server_error(), fmt::format("answers {}: redirects are not followed", status)};
  }
  return {told(status, words), fmt::format("answers {}: {}", status, words)};
}

bool is_error(const Json& body) {
  return member(&body, "error") || text_member(&body, "object") == "error";
}

UpstreamProblem body_problem(const Json& body) {
  const int code = code_of(body);
  const std::string words = words_of(body);
  return {told(code, words), fmt::format("reports {}: {}", code, words)};
}

}  // namespace fathom::api
