// fathom render: conversations to the text and ids that the model reads.
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/default_model.h"
#include "cli/json_lines.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace fathom::cli {
namespace {

using Json = nlohmann::ordered_json;

Json rendered(const text::ChatTemplate& chat, const text::Tokenizer& tokenizer,
              const Json& object) {
  const auto messages = object.find("messages");
  if (messages == object.end() || !messages->is_array()) {
    fail(ErrorKind::kBadInput, "\"messages\" is {}, expected a list",
         messages == object.end() ? "missing" : messages->type_name());
  }
  const auto tools = object.find("tools");
  const std::string text = chat.render(*messages, tools == object.end() ? Json() : *tools,
                                       flag_field(object, "add_generation_prompt", false));
  return {{"text", text}, {"ids", tokenizer.encode(text)}};
}

void run(const std::string& dir) {
  const auto tokenizer = text::Tokenizer::load(dir.empty() ? default_model_dir() : dir);
  const text::ChatTemplate chat(*tokenizer);
  answer_json_lines([&](const Json& object) { return rendered(chat, *tokenizer, object); });
}

}  // namespace

void add_render(CLI::App& app) {
  auto* command = app.add_subcommand("render",
                                     "Run the chat template: a line {\"messages\", \"tools\", "
                                     "\"add_generation_prompt\"} on stdin, a "
                                     "line {\"text\", \"ids\"} out");
  const auto dir = std::make_shared<std::string>();
  command->add_option("DIR", *dir,
                      "Directory with tokenizer.json and tokenizer_config.json (default: the "
                      "embedded model)");
  command->callback([dir] { run(*dir); });
}

}  // namespace fathom::cli
