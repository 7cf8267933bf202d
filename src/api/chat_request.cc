#include "api/chat_request.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/api_error.h"

namespace fathom::api {
namespace {

Role read_role(const Fields& message) {
  const std::string role = message.need_string("role");
  if (role == "user") return Role::kUser;
  if (role == "assistant") return Role::kAssistant;
  if (role == "tool") return Role::kTool;
  // Newer OpenAI clients say developer.
  if (role == "system" || role == "developer") return Role::kSystem;
  throw wrong_field(message.path_of("role"),
                    "unknown variant " + describe(Json(role)) +
                        ", expected one of `system`, `user`, `assistant`, `tool`");
}

std::string read_text_part(const Json& part, const std::string& path) {
  const Fields fields(part, path);
  const std::string type = fields.need_string("type");
  if (type != "text") {
    throw wrong_field(fields.path_of("type"), "unknown variant " + describe(Json(type)) +
                                                  ", expected `text`: the model reads text only");
  }
  return fields.need_string("text");
}

std::string read_content(const Fields& message, bool may_be_absent) {
  const Json* content = message.find("content");
  const std::string path = message.path_of("content");
  if (!content) {
    if (may_be_absent) return "";
    throw wrong_field(path, "missing field `content`, expected a string");
  }
  if (content->is_string()) return content->get<std::string>();
  if (!content->is_array()) wrong_type(path, *content, "a string or a sequence of text parts");
  std::string text;
  for (size_t i = 0; i < content->size(); ++i) {
    text += read_text_part((*content)[i], element(path, i));
  }
  return text;
}

std::vector<RequestedCall> read_calls(const Fields& message) {
  std::vector<RequestedCall> calls;
  const Json* list = message.array("tool_calls");
  if (!list) return calls;
  for (size_t i = 0; i < list->size(); ++i) {
    const Fields call((*list)[i], element(message.path_of("tool_calls"), i));
    const Json* function = call.object("function");
    if (!function) {
      throw wrong_field(call.path_of("function"), "missing field `function`, expected a map");
    }
    const Fields fields(*function, call.path_of("function"));
    calls.push_back({call.string("id").value_or(""), fields.need_string("name"),
                     fields.string("arguments").value_or("{}")});
  }
  return calls;
}

ChatMessage read_message(const Json& entry, const std::string& path) {
  const Fields fields(entry, path);
  ChatMessage message;
  message.role = read_role(fields);
  if (message.role == Role::kAssistant) message.tool_calls = read_calls(fields);
  message.content = read_content(fields, !message.tool_calls.empty());
  message.name = fields.string("name").value_or("");
  if (message.role == Role::kTool) message.tool_call_id = fields.need_string("tool_call_id");
  return message;
}

void read_messages(const Fields& body, bool beta, ChatRequest& request) {
  const Json* list = body.array("messages");
  if (!list) throw wrong_field("messages", "missing field `messages`, expected a sequence");
  if (list->empty()) throw invalid_request("Empty input messages");
  for (size_t i = 0; i < list->size(); ++i) {
    const std::string path = element("messages", i);
    request.messages.push_back(read_message((*list)[i], path));
    if (!Fields((*list)[i], path).boolean("prefix").value_or(false)) continue;
    if (!beta) {
      throw invalid_request(
          "prefix is only available when using beta api (set base_url ending in /beta)");
    }
    const bool last = i + 1 == list->size();
    if (!last || request.messages.back().role != Role::kAssistant ||
        !request.messages.back().tool_calls.empty()) {
      throw invalid_request(path + ".prefix: expected on the last message only, of role assistant");
    }
    request.continues = true;
  }
}

bool mentions_json(const std::string& text) {
  const std::string word = "json";
  const auto same = [](char a, char b) { return (a | 0x20) == b; };
  return std::search(text.begin(), text.end(), word.begin(), word.end(), same) != text.end();
}

void read_format(const Fields& body, ChatRequest& request) {
  const Json* format = body.object("response_format");
  if (!format) return;
  const Fields fields(*format, "response_format");
  const std::string type = fields.need_string("type");
  if (type == "text") return;
  if (type == "json_schema") {
    const Json* wrapper = fields.object("json_schema");
    const Json* schema =
        wrapper ? Fields(*wrapper, "response_format.json_schema").find("schema") : nullptr;
    if (!schema) {
      throw wrong_field("response_format.json_schema.schema", "missing field, expected a schema");
    }
    request.format = ResponseFormat::kJsonSchema;
    request.schema = *schema;
    return;
  }
  if (type != "json_object") {
    throw wrong_field("response_format.type",
                      "unknown variant " + describe(Json(type)) +
                          ", expected one of `text`, `json_object`, `json_schema`");
  }
  request.format = ResponseFormat::kJsonObject;
  const bool asked = std::any_of(request.messages.begin(), request.messages.end(),
                                 [](const ChatMessage& m) { return mentions_json(m.content); });
  if (!asked) {
    throw invalid_request(
        "Prompt must contain the word 'json' in some form to use 'response_format' of type "
        "'json_object'.");
  }
}

void check_function(const Json& tool, const std::string& path) {
  const Fields fields(tool, path);
  if (const std::string type = fields.need_string("type"); type != "function") {
    throw wrong_field(fields.path_of("type"),
                      "unknown variant " + describe(Json(type)) + ", expected `function`");
  }
  const Json* function = fields.object("function");
  if (!function) {
    throw wrong_field(fields.path_of("function"), "missing field `function`, expected a map");
  }
  const Fields described(*function, fields.path_of("function"));
  const std::string name = described.need_string("name");
  const bool valid = !name.empty() && name.size() <= 64 &&
                     std::all_of(name.begin(), name.end(), [](unsigned char c) {
                       return std::isalnum(c) || c == '_' || c == '-';
                     });
  if (!valid) {
    throw invalid_request("Invalid '" + described.path_of("name") +
                          "': expected 1 to 64 letters, digits, underscores and dashes");
  }
  described.object("parameters");
}

bool has_function(const Json& tools, const std::string& name) {
  return std::any_of(tools.begin(), tools.end(),
                     [&](const Json& tool) { return tool["function"]["name"] == name; });
}

void read_tool_choice(const Fields& body, ChatRequest& request) {
  const Json* choice = body.find("tool_choice");
  if (!choice) return;
  if (choice->is_string()) {
    const auto& name = choice->get_ref<const std::string&>();
    if (name == "none") {
      request.tool_choice = ToolChoice::kNone;
    } else if (name == "auto") {
      request.tool_choice = request.tools.empty() ? ToolChoice::kNone : ToolChoice::kAuto;
    } else if (name == "required") {
      request.tool_choice = ToolChoice::kRequired;
    } else {
      throw wrong_field("tool_choice", "unknown variant " + describe(*choice) +
                                           ", expected one of `none`, `auto`, `required`");
    }
  } else {
    const Json* function = Fields(*choice, "tool_choice").object("function");
    if (!function) {
      throw wrong_field("tool_choice.function", "missing field `function`, expected a map");
    }
    request.tool_choice = ToolChoice::kNamed;
    request.tool_name = Fields(*function, "tool_choice.function").need_string("name");
    if (!has_function(request.tools, request.tool_name)) {
      throw invalid_request("Invalid tool_choice value, no function of this name in tools: " +
                            request.tool_name);
    }
  }
  if (request.tool_choice == ToolChoice::kRequired && request.tools.empty()) {
    throw invalid_request("Invalid tool_choice value, `required` needs tools");
  }
}

void read_tools(const Fields& body, ChatRequest& request) {
  if (const Json* tools = body.array("tools")) {
    if (tools->size() > kMaxTools) {
      throw invalid_request(fmt::format("Invalid tools value, {} functions, expected at most {}",
                                        tools->size(), kMaxTools));
    }
    for (size_t i = 0; i < tools->size(); ++i) check_function((*tools)[i], element("tools", i));
    request.tools = *tools;
    if (!tools->empty()) request.tool_choice = ToolChoice::kAuto;
  }
  read_tool_choice(body, request);
  request.parallel_calls = body.boolean("parallel_tool_calls").value_or(true);
}

void read_logprobs(const Fields& body, SamplingParams& sampling) {
  const bool wanted = body.boolean("logprobs").value_or(false);
  const auto top = body.integer_within("top_logprobs", 0, 20);
  if (top && !wanted) {
    throw invalid_request("Invalid top_logprobs value, top_logprobs needs logprobs = true");
  }
  if (wanted) sampling.top_logprobs = static_cast<int>(top.value_or(0));
}

}  // namespace

std::string_view role_name(Role role) {
  switch (role) {
    case Role::kSystem:
      return "system";
    case Role::kUser:
      return "user";
    case Role::kAssistant:
      return "assistant";
    case Role::kTool:
      return "tool";
  }
  return "?";
}

ChatRequest read_chat_request(const Json& json, bool beta) {
  const Fields body(json, "");
  ChatRequest request;
  read_messages(body, beta, request);
  request.generation = read_generation_fields(body, kMaxChatTokens);
  read_logprobs(body, request.generation.sampling);
  read_format(body, request);
  read_tools(body, request);
  return request;
}

}  // namespace fathom::api
