// The constraint that a chat request puts on its answer.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/chat_request.h"
#include "engine/grammar/grammar.h"
#include "text/tokenizer.h"

namespace fathom::api {

/// Grammars are kept for the requests that come with the same schema or tools. Thread-safe.
class Grammars {
 public:
  /// `vocab_size` is the model's. `end_ids` each end an answer.
  Grammars(const text::Tokenizer& tokenizer, int64_t vocab_size,
           const std::vector<int32_t>& end_ids);

  /// JSON mode's, a schema's, or that of the tools; null where the answer is free. Throws ApiError
  /// 400 for what the model's tokenizer or the schema does not allow.
  Grammar::Ptr of(const ChatRequest& request);

 private:
  template <typename Make>
  Grammar::Ptr kept(const std::string& key, Make make);
  Grammar::Ptr tools(const ChatRequest& request);
  FunctionGrammar function(const Json& tool, size_t index);
  std::shared_ptr<const Vocabulary> vocabulary() const;

  std::shared_ptr<const Vocabulary> vocabulary_;  // null: see problem_
  std::string problem_;
  std::optional<ToolCallSyntax> syntax_;  // where the tokenizer has the tokens

  std::mutex mutex_;
  std::list<std::pair<std::string, Grammar::Ptr>> grammars_;  // most recently used first
  size_t text_ = 0;                                           // bytes of what they are kept under
};

}  // namespace fathom::api
