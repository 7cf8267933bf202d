// How many tokens a request has, where another server counts them.
#pragma once

#include <memory>
#include <string>

#include "api/prompt.h"

namespace fathom::api {

/// With the model's tokenizer it counts; without one it estimates. Thread-safe.
class PromptSize {
 public:
  /// `tokenizer` may be null.
  explicit PromptSize(std::shared_ptr<const text::Tokenizer> tokenizer);

  struct Size {
    int64_t likely = 0;
    int64_t most = 0;  ///< no prompt has more
  };
  Size of(const ChatRequest& request);
  Size of(const CompletionRequest& request);
  /// What a text is likely to have.
  int64_t of_text(const std::string& text) const;

  bool counts() const { return prompts_ != nullptr; }
  /// Null without a tokenizer.
  PromptBuilder* prompts() { return prompts_.get(); }

 private:
  std::unique_ptr<PromptBuilder> prompts_;
};

}  // namespace fathom::api
