#include "api/prompt.h"

#include <fmt/format.h>

#include <algorithm>
#include <regex>

#include "api/api_error.h"
#include "ledger/api_key.h"
#include "text/tool_calls.h"

namespace fathom::api {
namespace {

std::string call_head(const std::string& name) {
  return fmt::format("{}function{}{}\n```json\n", text::kCallBegin, text::kCallSeparator, name);
}

}  // namespace

// Hands the messages to the template, with what users wrote told apart from what the template adds:
// a message that spells a special token is put between marks that nobody can guess, and encoded as
// plain text, so that it cannot forge a turn of the conversation.
class PromptBuilder::Rendering {
 public:
  explicit Rendering(const PromptBuilder& owner) : owner_(owner), tokenizer_(*owner.tokenizer_) {}

  std::string plain(const std::string& content) {
    if (!owner_.spells_added_token(content)) return content;
    if (open_.empty()) {
      const std::string nonce = ledger::new_uuid();
      open_ = "\uFDD0" + nonce + "\uFDD0";
      close_ = "\uFDD1" + nonce + "\uFDD1";
    }
    return open_ + content + close_;
  }

  bool marked() const { return !open_.empty(); }

  std::vector<int32_t> encode(std::string_view text) const {
    std::vector<int32_t> ids;
    const auto append = [&](const std::vector<int32_t>& more) {
      ids.insert(ids.end(), more.begin(), more.end());
    };
    while (!text.empty()) {
      const size_t begin = std::min(text.find(open_), text.size());
      append(tokenizer_.encode(text.substr(0, begin)));
      text.remove_prefix(begin);
      if (text.empty()) break;
      text.remove_prefix(open_.size());
      const size_t end = std::min(text.find(close_), text.size());
      append(tokenizer_.encode_plain(text.substr(0, end)));
      text.remove_prefix(std::min(end + close_.size(), text.size()));
    }
    return ids;
  }

 private:
  const PromptBuilder& owner_;
  const text::Tokenizer& tokenizer_;
  std::string open_, close_;
};

namespace {

/// The whole assistant message as the model wrote it, calls included: templates as published drop
/// the text beside a call or a call's end.
template <typename Plain>
std::string assistant_text(const ChatMessage& message, Plain plain) {
  std::string text = plain(message.content);
  if (message.tool_calls.empty()) return text;
  text += text::kCallsBegin;
  for (size_t i = 0; i < message.tool_calls.size(); ++i) {
    const RequestedCall& call = message.tool_calls[i];
    if (i > 0) text += "\n";
    text +=
        call_head(plain(call.name)) + plain(call.arguments) + "\n```" + std::string(text::kCallEnd);
  }
  return text.append(text::kCallsEnd);
}

}  // namespace

PromptBuilder::PromptBuilder(std::shared_ptr<const text::Tokenizer> tokenizer)
    : tokenizer_(std::move(tokenizer)),
      template_(*tokenizer_),
      template_takes_tools_(
          std::regex_search(tokenizer_->chat_template(), std::regex("\\btools\\b"))) {
  for (int32_t id = 0; id < tokenizer_->vocab_size(); ++id) {
    if (tokenizer_->is_added(id)) beginnings_.emplace(tokenizer_->token_bytes(id).substr(0, 4));
  }
}

bool PromptBuilder::spells_added_token(std::string_view text) const {
  const bool may = std::any_of(beginnings_.begin(), beginnings_.end(), [&](const auto& beginning) {
    return text.find(beginning) != std::string_view::npos;
  });
  if (!may) return false;
  const auto ids = tokenizer_->encode(text);
  return std::any_of(ids.begin(), ids.end(), [&](int32_t id) { return tokenizer_->is_added(id); });
}

Prompt PromptBuilder::chat(const ChatRequest& request) {
  Rendering rendering(*this);
  const auto plain = [&](const std::string& content) { return rendering.plain(content); };
  const size_t count = request.messages.size() - (request.continues ? 1 : 0);
  Json messages = Json::array();
  for (size_t i = 0; i < count; ++i) {
    const ChatMessage& message = request.messages[i];
    const bool assistant = message.role == Role::kAssistant;
    messages.push_back(
        {{"role", role_name(message.role)},
         {"content", assistant ? assistant_text(message, plain) : plain(message.content)}});
  }
  const bool shows_tools = request.tool_choice != ToolChoice::kNone;
  if (shows_tools && !template_takes_tools_) {
    const std::string tools = plain(text::render_tools_prompt(request.tools));
    if (messages.empty() || messages[0]["role"] != "system") {
      const Json first = {{"role", "system"}, {"content", tools}};
      messages.insert(messages.begin(), first);
    } else {
      messages[0]["content"] = messages[0]["content"].get<std::string>() + "\n\n" + tools;
    }
  }

  Prompt prompt;
  std::string text = template_.render(
      messages, shows_tools && template_takes_tools_ ? request.tools : Json(), true);
  if (request.continues) text += assistant_text(request.messages.back(), plain);
  if (rendering.marked()) {
    prompt.ids = rendering.encode(text);
  } else {
    prompt.ids = encode(text);
    prompt.text = std::move(text);
  }
  return prompt;
}

std::vector<int32_t> PromptBuilder::encode(const std::string& text) {
  const auto known = memory_.find(text, tokenizer_->eos_token());
  if (!known) return tokenizer_->encode(text);
  std::vector<int32_t> ids = known->ids;
  const auto rest = tokenizer_->encode(std::string_view(text).substr(known->bytes));
  ids.insert(ids.end(), rest.begin(), rest.end());
  return ids;
}

void PromptBuilder::remember(const Prompt& prompt, const std::vector<int32_t>& answer_ids) {
  if (prompt.text.empty() || answer_ids.empty()) return;
  // Of a token that the text does not show, the text is not the whole conversation: where no token
  // shows, it is that of the prompt alone, and everybody's next answer to it would begin behind
  // this one.
  const auto shows = [&](int32_t id) {
    return !tokenizer_->is_special(id) && !tokenizer_->token_bytes(id).empty();
  };
  if (!std::ranges::all_of(answer_ids, shows)) return;
  std::vector<int32_t> ids = prompt.ids;
  ids.insert(ids.end(), answer_ids.begin(), answer_ids.end());
  memory_.remember(prompt.text + tokenizer_->decode(answer_ids, true), std::move(ids));
}

int32_t PromptBuilder::need_token(const char* content) const {
  const auto id = tokenizer_->token_to_id(content);
  if (!id) {
    throw invalid_request(std::string("Invalid suffix value, this model's tokenizer has no ") +
                          content);
  }
  return *id;
}

Prompt PromptBuilder::completion(const CompletionRequest& request) const {
  Prompt prompt;
  const auto append = [&](const std::string& text) {
    const auto ids = tokenizer_->encode_plain(text);
    prompt.ids.insert(prompt.ids.end(), ids.begin(), ids.end());
  };
  if (tokenizer_->bos_id()) prompt.ids.push_back(*tokenizer_->bos_id());
  if (request.suffix) {
    prompt.ids.push_back(need_token("<｜fim▁begin｜>"));
    append(request.prompt);
    prompt.ids.push_back(need_token("<｜fim▁hole｜>"));
    append(*request.suffix);
    prompt.ids.push_back(need_token("<｜fim▁end｜>"));
  } else {
    append(request.prompt);
  }
  return prompt;
}

}  // namespace fathom::api
