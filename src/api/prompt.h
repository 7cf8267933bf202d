// From a request to the ids that the model reads.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "api/answer_memory.h"
#include "api/chat_request.h"
#include "api/completion_request.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace fathom::api {

struct Prompt {
  std::vector<int32_t> ids;
  /// The same as text. Empty when a message spells special tokens, whose ids are then not those of
  /// the text; such conversations are not remembered.
  std::string text;
};

/// Immutable but for the memory, which is thread-safe; so is this.
class PromptBuilder {
 public:
  /// Throws Error(kUnsupported) when the tokenizer has no chat template.
  explicit PromptBuilder(std::shared_ptr<const text::Tokenizer> tokenizer);

  Prompt chat(const ChatRequest& request);
  Prompt completion(const CompletionRequest& request) const;

  /// Keeps the ids of an answer for the conversation's next request. Not of one with ids that its
  /// text does not show: special tokens, or none at all.
  void remember(const Prompt& prompt, const std::vector<int32_t>& answer_ids);

  const text::Tokenizer& tokenizer() const { return *tokenizer_; }

 private:
  class Rendering;
  std::vector<int32_t> encode(const std::string& text);
  bool spells_added_token(std::string_view text) const;
  int32_t need_token(const char* content) const;

  std::shared_ptr<const text::Tokenizer> tokenizer_;
  text::ChatTemplate template_;
  bool template_takes_tools_;
  std::set<std::string> beginnings_;  // of the added tokens, a few bytes each
  AnswerMemory memory_{int64_t{8} << 20};
};

}  // namespace fathom::api
