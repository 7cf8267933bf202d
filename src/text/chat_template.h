// A conversation to the text that the model reads, by the chat template that its tokenizer came
// with.
#pragma once

#include <memory>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "text/tokenizer.h"

namespace fathom::text {

/// Runs a template as published, in a Jinja interpreter of our own: statements if, for, set, macro,
/// filter, break, continue, generation and raw; the filters, tests, functions and methods that
/// published templates use; white space as `transformers` has it (trim_blocks, lstrip_blocks). What
/// is not known is refused by name and line. Immutable, so safe to share between threads.
class ChatTemplate {
 public:
  /// Throws Error(kUnsupported | kBadInput) naming the line.
  ChatTemplate(const std::string& source, std::string bos_token, std::string eos_token);
  /// The tokenizer's own. Throws Error(kUnsupported) when it has none.
  explicit ChatTemplate(const Tokenizer& tokenizer);
  ~ChatTemplate();

  /// `messages` is a list of {"role", "content", ...}, `tools` a list of functions or null. Both
  /// are handed to the template as they are. Throws Error(kBadInput): what the template itself
  /// raises, or a message that it cannot handle.
  std::string render(const nlohmann::ordered_json& messages, const nlohmann::ordered_json& tools,
                     bool add_generation_prompt) const;

 private:
  struct Program;
  std::unique_ptr<const Program> program_;
  std::string bos_token_, eos_token_;
};

}  // namespace fathom::text
