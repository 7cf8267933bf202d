#include "text/chat_template.h"

#include <stdexcept>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "text/jinja/parser.h"

namespace fathom::text {

struct ChatTemplate::Program {
  jinja::Block block;
};

ChatTemplate::ChatTemplate(const std::string& source, std::string bos_token, std::string eos_token)
    : program_(std::make_unique<Program>(Program{jinja::parse_template(source)})),
      bos_token_(std::move(bos_token)),
      eos_token_(std::move(eos_token)) {}

ChatTemplate::~ChatTemplate() = default;

ChatTemplate::ChatTemplate(const Tokenizer& tokenizer)
    : ChatTemplate(tokenizer.chat_template(), tokenizer.bos_token(), tokenizer.eos_token()) {
  if (tokenizer.chat_template().empty()) {
    fail(ErrorKind::kUnsupported, "tokenizer_config.json has no chat_template");
  }
}

std::string ChatTemplate::render(const nlohmann::ordered_json& messages,
                                 const nlohmann::ordered_json& tools,
                                 bool add_generation_prompt) const {
  jinja::Dict variables;
  try {
    variables.set("messages", jinja::Value::from_json(messages));
    variables.set("tools", jinja::Value::from_json(tools));
  } catch (const std::domain_error& error) {
    fail(ErrorKind::kBadInput, "messages or tools: {}", error.what());
  }
  variables.set("add_generation_prompt", add_generation_prompt);
  variables.set("bos_token", bos_token_);
  variables.set("eos_token", eos_token_);
  jinja::Context context(std::move(variables));
  jinja::run_block(program_->block, context);
  return context.end_capture();
}

}  // namespace fathom::text
