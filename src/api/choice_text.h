// From the tokens of one choice to the parts of its answer.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/backend.h"
#include "text/detokenizer.h"
#include "text/stop_strings.h"
#include "text/tool_calls.h"

namespace fathom::api {

struct ChoiceTextOptions {
  std::shared_ptr<const text::Tokenizer> tokenizer;
  std::vector<std::string> stop;
  bool parse_calls = false;
  bool logprobs = false;
};

/// One thread at a time.
class ChoiceText {
 public:
  explicit ChoiceText(const ChoiceTextOptions& options);

  /// What the token adds. Logprobs come with the part that their text is in, or before.
  AnswerEvent push(const GeneratedToken& token);
  /// A stop string was met: no more tokens are wanted.
  bool stopped() const { return stops_.stopped(); }
  /// What was held back, and the reason for the end in the API's words.
  AnswerEvent finish(FinishReason reason);

 private:
  void add_text(const std::string& text, AnswerEvent& event);
  TextLogprob logprob_of(const GeneratedToken& token) const;

  std::shared_ptr<const text::Tokenizer> tokenizer_;
  text::Detokenizer detokenizer_;
  text::StopStrings stops_;
  std::optional<text::ToolCallParser> parser_;
  bool logprobs_;
  std::vector<TextLogprob> waiting_;  // of tokens whose text is held back
};

}  // namespace fathom::api
