// Another server's answer, chunk by chunk, as events of ours.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "api/backend.h"
#include "text/tool_calls.h"

namespace fathom::api {

struct AnswerReaderOptions {
  int64_t choices = 1;
  /// Function calls may stand in the text, where the server does not parse them itself.
  bool parse_calls = false;
  /// The prompt's tokens if the server never says.
  int64_t prompt_estimate = 0;
  /// Tokens that a text is likely to have.
  std::function<int64_t(const std::string&)> estimate;
};

/// Takes chat answers and completions, as a stream's chunks or whole. One answer each.
///
/// Tokens are counted as exactly as the server lets us: by the usage that some send with each
/// chunk, by its logprobs, else by estimate; the usage at the end, where it comes, is what counts.
class AnswerReader {
 public:
  explicit AnswerReader(AnswerReaderOptions options);

  /// The events of one chunk, or of a whole answer. Throws Error(kBadInput) for what is neither.
  std::vector<AnswerEvent> take(const Json& body);
  /// Every choice has told why it ended.
  bool complete() const;
  /// The ends of the choices that have none yet, with `reason`; empty: "stop", or "tool_calls"
  /// where there were some.
  std::vector<AnswerEvent> finish(const std::string& reason);
  /// What was used so far, or in all.
  AnswerResult result() const;

 private:
  struct Choice {
    std::optional<text::ToolCallParser> parser;
    std::map<int64_t, int> calls;  // the server's index to ours
    std::vector<bool> named;       // by our index
    int64_t tokens = 0;            // given out
    int64_t reported = -1;         // by the server, of this choice
    bool ended = false;
  };

  AnswerEvent take_choice(const Json& entry, const Json* usage, bool alone);
  void take_text(const Json& entry, Choice& choice, AnswerEvent& event);
  void take_calls(const Json* list, Choice& choice, AnswerEvent& event);
  void take_usage(const Json& usage, bool total);
  void end(Choice& choice, const std::string& reason, AnswerEvent& event);
  int64_t count(const AnswerEvent& event) const;
  int call_index(const Json& call, Choice& choice);

  AnswerReaderOptions options_;
  std::vector<Choice> choices_;
  std::optional<PromptUse> prompt_;
  bool prompt_told_ = false;
  std::optional<int64_t> completion_;  // the server's total
};

}  // namespace fathom::api
