// POST /chat/completions: the request, checked.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/generation_fields.h"

namespace fathom::api {

enum class Role { kSystem, kUser, kAssistant, kTool };

struct RequestedCall {
  std::string id;
  std::string name;
  std::string arguments;
};

struct ChatMessage {
  Role role = Role::kUser;
  std::string content;  ///< text parts joined
  std::string name;
  std::vector<RequestedCall> tool_calls;  ///< of an assistant's message
  std::string tool_call_id;               ///< of a tool's
};

enum class ResponseFormat { kText, kJsonObject, kJsonSchema };
enum class ToolChoice { kNone, kAuto, kRequired, kNamed };

inline constexpr int64_t kMaxChatTokens = 8192;
inline constexpr int64_t kDefaultTokens = 4096;
inline constexpr size_t kMaxTools = 128;

struct ChatRequest {
  GenerationFields generation;
  std::vector<ChatMessage> messages;
  bool continues = false;  ///< the last message is the beginning of the answer
  ResponseFormat format = ResponseFormat::kText;
  Json schema;                 ///< of kJsonSchema
  Json tools = Json::array();  ///< as sent, checked
  ToolChoice tool_choice = ToolChoice::kNone;
  std::string tool_name;  ///< of kNamed
  bool parallel_calls = true;
};

/// `beta`: whether it came in under /beta, which prefix completion needs. Throws ApiError.
ChatRequest read_chat_request(const Json& body, bool beta);

std::string_view role_name(Role role);

}  // namespace fathom::api
