// Any bytes as what a client sends: a request that is the same however its bytes were cut, and
// whose body is a checked chat or completion; or an ApiError whose body is JSON.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "api/api_error.h"
#include "api/chat_request.h"
#include "api/completion_request.h"
#include "api/http/request_parser.h"
#include "base/check.h"

namespace {

using namespace fathom;
using namespace fathom::api;

/// The request, or the error's body. `step` bytes arrive at a time.
struct Outcome {
  std::optional<HttpRequest> request;
  std::string error;
};

Outcome receive(std::string_view bytes, size_t step) {
  const HttpLimits limits{.header_bytes = 4096, .body_bytes = 1 << 16};
  RequestParser parser(limits);
  std::string buffer;
  try {
    while (!bytes.empty() && !parser.done()) {
      buffer += bytes.substr(0, step);
      bytes.remove_prefix(std::min(step, bytes.size()));
      buffer.erase(0, parser.push(buffer));
    }
  } catch (const ApiError& error) {
    return {std::nullopt, error.body()};
  }
  if (!parser.done()) return {};
  return {parser.take(), ""};
}

void check_error(const ApiError& error) {
  FATHOM_CHECK(error.status() >= 400 && error.status() < 600);
  parse_body(error.body());
}

template <typename Read>
void check_reading(const std::string& body, Read read) {
  try {
    read(parse_body(body));
  } catch (const ApiError& error) {
    check_error(error);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const Outcome whole = receive(bytes, std::max<size_t>(1, size));
  const Outcome cut = receive(bytes, 7);
  FATHOM_CHECK(whole.request.has_value() == cut.request.has_value());
  if (!whole.error.empty()) parse_body(whole.error);
  if (!whole.request) return 0;
  FATHOM_CHECK(whole.request->body == cut.request->body);
  FATHOM_CHECK(whole.request->path == cut.request->path);

  const std::string& body = whole.request->body;
  const bool beta = whole.request->path.starts_with("/beta");
  check_reading(body, [beta](const Json& json) {
    const ChatRequest request = read_chat_request(json, beta);
    FATHOM_CHECK(!request.messages.empty() && request.tools.size() <= kMaxTools);
    FATHOM_CHECK(request.generation.n >= 1 && request.generation.n <= kMaxChoices);
    FATHOM_CHECK(request.generation.stop.size() <= kMaxStops);
    FATHOM_CHECK(beta || !request.continues);
  });
  check_reading(body, [](const Json& json) {
    const CompletionRequest request = read_completion_request(json);
    FATHOM_CHECK(request.generation.max_tokens.value_or(1) <= kMaxCompletionTokens);
  });
  return 0;
}
