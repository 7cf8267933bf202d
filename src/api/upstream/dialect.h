// How the servers that speak OpenAI's API differ from one another, by name.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace fathom::api {

/// How a server is told that the last message is the beginning of the answer.
enum class Continuation {
  kNone,           ///< it cannot be
  kPrefixField,    ///< "prefix": true on the message (DeepSeek)
  kFinalMessage,   ///< "continue_final_message": true, "add_generation_prompt": false
  kAssistantLast,  ///< it goes on from an assistant's last message anyway
};

/// One kind of server. Sources: each project's own definition of its requests and answers.
struct Dialect {
  std::string_view name;   ///< of --upstream-kind
  std::string_view owner;  ///< how "owned_by" in its list of models begins
  Continuation continuation = Continuation::kNone;
  /// FIM: takes "suffix"; the others take DeepSeek's FIM tokens in the prompt's text.
  bool suffix = false;
  /// FIM and prefix completion are under /beta.
  bool beta = false;
  /// Knows "continuous_usage_stats": usage with every chunk of a stream.
  bool running_usage = false;
  /// What says "all tokens" where the server's own default of top_k is another.
  std::optional<int> all_top_k = std::nullopt;
};

/// Throws Error(kUsage) for an unknown name.
const Dialect& dialect_named(std::string_view name);
/// The one whose models are owned by `owner`; plain OpenAI where nobody's are.
const Dialect& dialect_of_owner(std::string_view owner);
/// "openai, deepseek, ..."
std::string dialect_names();

}  // namespace fathom::api
