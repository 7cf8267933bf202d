#include "eval/run/chat_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <thread>

#include "base/error.h"
#include "base/rng.h"

namespace fathom::eval {
namespace {

// What one try came to: an answer, or why not and whether another try makes sense.
struct Try {
  std::optional<Json> body;
  std::string complaint;
  bool again = true;
  bool fatal = false;
  std::optional<double> retry_after;
};

std::string shortened(const std::string& text) {
  std::string line = text.substr(0, 300);
  std::replace_if(
      line.begin(), line.end(), [](unsigned char c) { return c < 0x20; }, ' ');
  return line;
}

bool is_transient(int status) {
  return status == 408 || status == 409 || status == 425 || status == 429 || status >= 500;
}

bool spoils_all(const HttpReply& reply) {
  switch (reply.status) {
    case 401:
    case 402:
    case 403:
    case 404:
    case 405:
      return true;
    case 400:  // DeepSeek's and OpenAI's words for a model that they do not have
      return reply.body.find("Model Not Exist") != std::string::npos ||
             reply.body.find("model_not_found") != std::string::npos;
    default:
      return false;
  }
}

Try try_once(const Endpoint& endpoint, const std::string& path, const std::string& request) {
  Try result;
  std::map<std::string, std::string> headers;
  if (!endpoint.key.empty()) headers["Authorization"] = "Bearer " + endpoint.key;
  HttpReply reply;
  try {
    reply = http_post(endpoint.address, path, headers, request, endpoint.timeout);
  } catch (const Error& error) {
    result.complaint = error.what();
    return result;
  }
  result.retry_after = reply.retry_after;
  if (reply.status != 200) {
    result.complaint = fmt::format("HTTP {}: {}", reply.status, shortened(reply.body));
    result.again = is_transient(reply.status);
    result.fatal = spoils_all(reply);
    return result;
  }
  Json body = Json::parse(reply.body, nullptr, false);
  if (body.is_discarded() || !body.is_object()) {
    result.complaint = "HTTP 200, but the body is no JSON object: " + shortened(reply.body);
    return result;
  }
  result.body = std::move(body);
  return result;
}

std::chrono::milliseconds wait_before(const Endpoint& endpoint, int tried, const Try& last,
                                      Rng& rng) {
  if (last.retry_after) {
    return std::min(endpoint.longest_wait,
                    std::chrono::milliseconds(static_cast<int64_t>(*last.retry_after * 1000)));
  }
  const auto doubled = endpoint.first_wait * (int64_t{1} << std::min(tried - 1, 20));
  const auto wait = std::min<std::chrono::milliseconds>(endpoint.longest_wait, doubled);
  // From half to one and a half, so that many clients don't come back at once.
  return std::chrono::milliseconds(
      static_cast<int64_t>(static_cast<double>(wait.count()) * (0.5 + rng.uniform())));
}

// `read` takes what it needs out of the body; nothing where the body isn't what it must be.
template <typename T>
T request(const Endpoint& endpoint, const std::string& path, const Json& body, uint64_t seed,
          const std::function<std::optional<T>(const Json&)>& read) {
  const std::string text = body.dump();
  Rng rng(seed);
  Try last;
  for (int tried = 1;; ++tried) {
    last = try_once(endpoint, path, text);
    if (last.body) {
      try {
        if (auto answer = read(*last.body)) return std::move(*answer);
      } catch (const Json::exception&) {
        // Said below: of the wrong shape.
      }
      last.complaint = "HTTP 200, but no completion: " + shortened(last.body->dump());
    }
    if (!last.again) throw RequestFailed(last.complaint, last.fatal);
    if (tried >= endpoint.tries) {
      throw RequestFailed(fmt::format("{} ({} tries)", last.complaint, tried), false);
    }
    std::this_thread::sleep_for(wait_before(endpoint, tried, last, rng));
  }
}

Json called_functions(const Json& calls) {
  Json out = {{"tool_calls", Json::array()}};
  for (const Json& call : calls) {
    const Json& function = call.at("function");
    const std::string text = function.at("arguments");
    Json arguments = Json::parse(text, nullptr, false);
    if (arguments.is_discarded()) arguments = text;
    out["tool_calls"].push_back({{"name", function.at("name")}, {"arguments", arguments}});
  }
  return out;
}

std::optional<Completion> read_chat(const Json& body) {
  const Json& choice = body.at("choices").at(0);
  const Json& message = choice.at("message");
  const Json content = message.value("content", Json());
  Completion completion;
  if (!content.is_null()) completion.text = content.get<std::string>();
  const auto calls = message.find("tool_calls");
  if (calls != message.end() && calls->is_array() && !calls->empty()) {
    if (!completion.text.empty()) completion.text += "\n";
    completion.text += called_functions(*calls).dump();
  }
  const auto reason = choice.find("finish_reason");
  if (reason != choice.end() && reason->is_string()) completion.finish_reason = *reason;
  if (const auto usage = body.find("usage"); usage != body.end() && usage->is_object()) {
    completion.prompt_tokens = usage->value("prompt_tokens", int64_t{0});
    completion.completion_tokens = usage->value("completion_tokens", int64_t{0});
  }
  return completion;
}

// Of the tokens that spell `text`; what the server generated behind it is left out.
std::optional<std::vector<double>> read_logprobs(const Json& body, const std::string& text) {
  const Json& logprobs = body.at("choices").at(0).at("logprobs");
  const Json& tokens = logprobs.at("tokens");
  const Json& values = logprobs.at("token_logprobs");
  std::vector<double> out;
  size_t spelled = 0;
  for (size_t i = 0; i < values.size() && spelled < text.size(); ++i) {
    const std::string token = tokens.at(i);
    if (spelled == 0 && !text.starts_with(token) && !token.empty()) continue;  // a start token
    spelled += token.size();
    if (!values[i].is_null()) out.push_back(values[i].get<double>());
  }
  return spelled < text.size() ? std::nullopt : std::optional(out);
}

}  // namespace

Completion chat(const Endpoint& endpoint, const Messages& messages, const Json& tools,
                const Sampling& sampling, uint64_t seed) {
  Json body = {{"model", endpoint.model},
               {"messages", messages},
               {"temperature", sampling.temperature},
               {"max_tokens", sampling.max_tokens},
               {"stream", false}};
  if (!tools.is_null()) body["tools"] = tools;
  return request<Completion>(endpoint, "/chat/completions", body, seed, read_chat);
}

std::vector<double> echo_logprobs(const Endpoint& endpoint, const std::string& text,
                                  uint64_t seed) {
  const Json body = {{"model", endpoint.model}, {"prompt", text},  {"echo", true},
                     {"logprobs", 1},           {"max_tokens", 1}, {"temperature", 0},
                     {"stream", false}};
  return request<std::vector<double>>(endpoint, "/completions", body, seed, [&](const Json& reply) {
    return read_logprobs(reply, text);
  });
}

}  // namespace fathom::eval
