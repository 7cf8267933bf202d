#include "api/upstream/prompt_size.h"

#include <algorithm>

namespace fathom::api {
namespace {

// A server's template may differ from ours by a few tokens.
constexpr int64_t kTemplateSlack = 64;
// Tokens that a template may put around a message.
constexpr int64_t kMessageSlack = 16;

/// DeepSeek's own rule of thumb: 0.3 tokens for an English character, 0.6 for a Chinese one.
int64_t rule_of_thumb(std::string_view text) {
  int64_t tenths = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      tenths += 3;
    } else if (byte >= 0xC0) {  // the first byte of another character
      tenths += 6;
    }
  }
  return tenths / 10;
}

/// No token is less than a byte.
PromptSize::Size size_by_bytes(std::string_view text, int64_t messages) {
  const int64_t slack = kTemplateSlack + kMessageSlack * messages;
  return {std::max<int64_t>(1, rule_of_thumb(text)), std::ssize(text) + slack};
}

std::string whole_text(const ChatRequest& request) {
  std::string text;
  for (const ChatMessage& message : request.messages) {
    text += message.content + message.name;
    for (const RequestedCall& call : message.tool_calls) text += call.name + call.arguments;
  }
  if (!request.tools.empty()) text += dump_json(request.tools);
  return text;
}

}  // namespace

PromptSize::PromptSize(std::shared_ptr<const text::Tokenizer> tokenizer) {
  if (tokenizer) prompts_ = std::make_unique<PromptBuilder>(std::move(tokenizer));
}

PromptSize::Size PromptSize::of(const ChatRequest& request) {
  if (!prompts_) return size_by_bytes(whole_text(request), std::ssize(request.messages));
  const int64_t count = std::ssize(prompts_->chat(request).ids);
  return {count, count + kTemplateSlack};
}

PromptSize::Size PromptSize::of(const CompletionRequest& request) {
  if (!prompts_) return size_by_bytes(request.prompt + request.suffix.value_or(""), 1);
  const int64_t count = std::ssize(prompts_->completion(request).ids);
  return {count, count + kTemplateSlack};
}

int64_t PromptSize::of_text(const std::string& text) const {
  if (!prompts_) return rule_of_thumb(text);
  return std::ssize(prompts_->tokenizer().encode(text));
}

}  // namespace fathom::api
