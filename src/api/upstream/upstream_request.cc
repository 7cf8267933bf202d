#include "api/upstream/upstream_request.h"

#include <fmt/format.h>

#include <utility>

#include "api/api_error.h"

namespace fathom::api {
namespace {

Json calls_json(const std::vector<RequestedCall>& calls) {
  Json list = Json::array();
  for (const RequestedCall& call : calls) {
    list.push_back({{"id", call.id},
                    {"type", "function"},
                    {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
  }
  return list;
}

Json message_json(const ChatMessage& message) {
  Json json = {{"role", role_name(message.role)}, {"content", message.content}};
  if (!message.name.empty()) json["name"] = message.name;
  if (!message.tool_calls.empty()) json["tool_calls"] = calls_json(message.tool_calls);
  if (message.role == Role::kTool) json["tool_call_id"] = message.tool_call_id;
  return json;
}

Json format_json(const ChatRequest& request) {
  if (request.format == ResponseFormat::kJsonObject) return {{"type", "json_object"}};
  return {{"type", "json_schema"},
          {"json_schema", {{"name", "answer"}, {"schema", request.schema}}}};
}

Json tool_choice_json(const ChatRequest& request) {
  switch (request.tool_choice) {
    case ToolChoice::kNone:
      return "none";
    case ToolChoice::kAuto:
      return "auto";
    case ToolChoice::kRequired:
      return "required";
    case ToolChoice::kNamed:
      break;
  }
  return {{"type", "function"}, {"function", {{"name", request.tool_name}}}};
}

void add_sampling(const SamplingParams& sampling, const Dialect& dialect, Json& body) {
  body["temperature"] = sampling.temperature;
  body["top_p"] = sampling.top_p;
  if (sampling.frequency_penalty != 0) body["frequency_penalty"] = sampling.frequency_penalty;
  if (sampling.presence_penalty != 0) body["presence_penalty"] = sampling.presence_penalty;
  if (sampling.top_k > 0) {
    body["top_k"] = sampling.top_k;
  } else if (dialect.all_top_k) {
    body["top_k"] = *dialect.all_top_k;
  }
  if (sampling.min_p > 0) body["min_p"] = sampling.min_p;
  if (sampling.seed) body["seed"] = static_cast<int64_t>(*sampling.seed);
  for (const auto& [id, amount] : sampling.logit_bias) {
    body["logit_bias"][std::to_string(id)] = amount;
  }
}

std::string without_version(const std::string& path) {
  return path.ends_with("/v1") ? path.substr(0, path.size() - 3) : path;
}

}  // namespace

UpstreamRequests::UpstreamRequests(const Dialect& dialect, const HttpAddress& url,
                                   std::string model)
    : dialect_(dialect),
      path_(url.path),
      beta_path_(dialect.beta ? without_version(url.path) + "/beta" : url.path),
      model_(std::move(model)) {}

Json UpstreamRequests::common(const GenerationFields& fields, int64_t max_tokens) const {
  Json body = {{"model", model_}, {"max_tokens", max_tokens}, {"stream", true}};
  body["stream_options"]["include_usage"] = true;
  if (dialect_.running_usage) body["stream_options"]["continuous_usage_stats"] = true;
  add_sampling(fields.sampling, dialect_, body);
  if (!fields.stop.empty()) body["stop"] = fields.stop;
  if (fields.n > 1) body["n"] = fields.n;
  return body;
}

void UpstreamRequests::add_continuation(Json& body) const {
  switch (dialect_.continuation) {
    case Continuation::kNone:
      throw invalid_request(fmt::format(
          "prefix completion is not available: the model's server ({}) has none", dialect_.name));
    case Continuation::kPrefixField:
      body["messages"].back()["prefix"] = true;
      break;
    case Continuation::kFinalMessage:
      body["continue_final_message"] = true;
      body["add_generation_prompt"] = false;
      break;
    case Continuation::kAssistantLast:
      break;
  }
}

UpstreamBody UpstreamRequests::chat(const ChatRequest& request, int64_t max_tokens) const {
  Json body = common(request.generation, max_tokens);
  body["messages"] = Json::array();
  for (const ChatMessage& message : request.messages) {
    body["messages"].push_back(message_json(message));
  }
  if (request.continues) add_continuation(body);
  if (request.format != ResponseFormat::kText) body["response_format"] = format_json(request);
  if (!request.tools.empty()) {
    body["tools"] = request.tools;
    body["tool_choice"] = tool_choice_json(request);
    if (!request.parallel_calls) body["parallel_tool_calls"] = false;
  }
  if (const int top = request.generation.sampling.top_logprobs; top >= 0) {
    body["logprobs"] = true;
    if (top > 0) body["top_logprobs"] = top;
  }
  return {(request.continues ? beta_path_ : path_) + "/chat/completions", dump_json(body)};
}

UpstreamBody UpstreamRequests::completion(const CompletionRequest& request,
                                          int64_t max_tokens) const {
  Json body = common(request.generation, max_tokens);
  body["prompt"] = request.prompt;
  if (request.suffix && dialect_.suffix) {
    body["suffix"] = *request.suffix;
  } else if (request.suffix) {
    body["prompt"] =
        "<｜fim▁begin｜>" + request.prompt + "<｜fim▁hole｜>" + *request.suffix + "<｜fim▁end｜>";
  }
  if (const int top = request.generation.sampling.top_logprobs; top >= 0) body["logprobs"] = top;
  return {beta_path_ + "/completions", dump_json(body)};
}

}  // namespace fathom::api
