// A model behind an OpenAI-compatible address.
#pragma once

#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>

#include "eval/run/http_client.h"
#include "eval/tasks/task.h"

namespace fathom::eval {

struct Endpoint {
  HttpAddress address;
  std::string key;  ///< sent as a bearer token; empty for none
  std::string model;
  std::chrono::seconds timeout{1800};  ///< for one reply, as long as the service itself waits
  int tries = 8;                       ///< the first one included
  std::chrono::milliseconds first_wait{500};  ///< before the second try; doubles each time
  std::chrono::milliseconds longest_wait{60000};
};

struct Sampling {
  double temperature = 0;
  int max_tokens = 8192;
};

struct Completion {
  /// What the model said. Where it calls functions, a last line more: the JSON object
  /// {"tool_calls": [{"name", "arguments"}]}, arguments parsed where they are JSON.
  std::string text;
  std::string finish_reason;
  int64_t prompt_tokens = 0, completion_tokens = 0;  ///< as the server counts; 0 where it doesn't
};

/// A request that got no answer for good. `fatal` where every other would fare the same: a wrong
/// key, no balance, no such model or address.
class RequestFailed : public std::runtime_error {
 public:
  RequestFailed(const std::string& what, bool fatal) : std::runtime_error(what), fatal(fatal) {}
  const bool fatal;
};

/// POST {address}/chat/completions; `tools` may be null. Tries again, waiting longer each time (or
/// as long as Retry-After says), on a connection that fails, HTTP 408, 409, 425, 429 and 5xx, and a
/// reply that is no completion. Throws RequestFailed when the tries are used up, or at once for any
/// other status. Safe from any number of threads. `seed` decides the jitter of the waits.
Completion chat(const Endpoint& endpoint, const Messages& messages, const Json& tools,
                const Sampling& sampling, uint64_t seed);

/// The natural log-probabilities that the model gives to the tokens of `text`, by POST
/// {address}/completions with echo. The first token, which nothing predicts, is left out. Retries
/// as chat() does.
std::vector<double> echo_logprobs(const Endpoint& endpoint, const std::string& text, uint64_t seed);

}  // namespace fathom::eval
