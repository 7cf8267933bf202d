// fathom chat: a conversation in the terminal.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/conversation.h"
#include "cli/generation.h"
#include "cli/line_reader.h"
#include "cli/local_session.h"
#include "text/chat_template.h"
#include "text/utf8.h"

namespace fathom::cli {
namespace {

constexpr const char* kHelp =
    "  /help           this\n"
    "  /reset          forget the conversation\n"
    "  /system TEXT    set the system message (none: remove it)\n"
    "  /save FILE      write the conversation as JSON\n"
    "  /load FILE      read one\n"
    "  /quit           leave; so does Ctrl-D\n"
    "  Ctrl-C          stop the answer, or drop the line\n";

struct Options {
  ModelOptions model;
  SamplingParams sampling;
  std::string system;
  int64_t max_tokens = 4096;
};

std::string history_file() {
  if (const char* state = std::getenv("XDG_STATE_HOME"))
    return std::string(state) + "/fathom_history";
  if (const char* home = std::getenv("HOME")) return std::string(home) + "/.fathom_history";
  return "";
}

class Chat {
 public:
  Chat(LocalSession session, const Options& options)
      : session_(std::move(session)),
        template_(session_.need_tokenizer()),
        sampling_(options.sampling),
        max_tokens_(options.max_tokens),
        colour_(isatty(STDOUT_FILENO) != 0) {
    set_system(options.system);
  }

  void run() {
    std::printf("%s: %lld layers, context %lld. /help for commands, Ctrl-D to leave.\n",
                session_.dir.c_str(),
                static_cast<long long>(session_.model->config().num_hidden_layers),
                static_cast<long long>(session_.model->config().max_position_embeddings));
    LineReader reader(history_file());
    while (const auto line = reader.read("> ")) {
      if (line->empty()) continue;
      try {
        if (line->front() != '/') {
          answer(*line);
        } else if (!command(*line)) {
          break;
        }
      } catch (const Error& error) {
        std::fprintf(stderr, "%s\n", error.what());  // the conversation goes on
      }
      interrupt_.clear();  // from here Ctrl-C is a key of the editor's
    }
  }

 private:
  // False when it is time to leave.
  bool command(const std::string& line) {
    const size_t space = line.find(' ');
    const std::string name = line.substr(0, space);
    const std::string rest = space == std::string::npos ? "" : line.substr(space + 1);
    if (name == "/quit" || name == "/exit") return false;
    if (name == "/reset") {
      conversation_.messages.clear();
      std::printf("a new conversation\n");
    } else if (name == "/system") {
      set_system(rest);
      std::printf(rest.empty() ? "no system message\n" : "system message set\n");
    } else if (name == "/save") {
      need_file(name, rest);
      conversation_.save(rest);
      std::printf("%zu messages saved\n", conversation_.messages.size());
    } else if (name == "/load") {
      need_file(name, rest);
      conversation_ = Conversation::load(rest);
      std::printf("%zu messages loaded\n", conversation_.messages.size());
    } else {
      if (name != "/help") std::printf("no command %s\n", name.c_str());
      std::fputs(kHelp, stdout);
    }
    return true;
  }

  // Once it is in, only JSON can tell, which has no way to say so.
  void set_system(const std::string& text) {
    text::require_utf8(text, "the system message");
    conversation_.system = text;
  }

  static void need_file(const std::string& name, const std::string& file) {
    if (file.empty()) fail(ErrorKind::kUsage, "{}: expected a file name", name);
  }

  void answer(const std::string& question) {
    conversation_.messages.push_back({"user", question});
    Generation g;
    try {
      g = generate_answer();
    } catch (const Error&) {
      conversation_.messages.pop_back();
      throw;
    }
    conversation_.messages.push_back({"assistant", g.text});
    std::printf("\n");
    dim();
    std::printf("%zu tokens, %.1f tokens/s, first after %.2f s, context %lld (%lld from cache)%s%s",
                g.ids.size(), g.tokens_per_second(), g.usage.prefill_seconds,
                static_cast<long long>(g.usage.prompt_tokens + std::ssize(g.ids)),
                static_cast<long long>(g.usage.cache_hit_tokens),
                g.reason == FinishReason::kCancelled ? ", stopped" : "",
                g.reason == FinishReason::kLength ? ", cut by length" : "");
    plain();
    std::printf("\n");
  }

  Generation generate_answer() {
    const std::string text =
        template_.render(conversation_.to_messages(), nlohmann::ordered_json(), true);
    GenerationRequest request;
    request.prompt = session_.tokenizer->encode(text);
    const auto room = session_.model->config().max_position_embeddings -
                      static_cast<int64_t>(request.prompt.size());
    if (room <= 0) {
      fail(ErrorKind::kBadInput, "the conversation has {} tokens, the context holds {}: /reset",
           request.prompt.size(), session_.model->config().max_position_embeddings);
    }
    request.max_tokens = std::min(max_tokens_, room);
    request.sampling = sampling_;
    request.stop_ids = session_.stop_ids();
    const auto print = [](std::string_view piece) {
      std::fwrite(piece.data(), 1, piece.size(), stdout);
      std::fflush(stdout);
    };
    return generate(session_, request, print, interrupt_.flag());
  }

  void dim() const {
    if (colour_) std::fputs("\x1b[2m", stdout);
  }
  void plain() const {
    if (colour_) std::fputs("\x1b[0m", stdout);
  }

  LocalSession session_;
  text::ChatTemplate template_;
  SamplingParams sampling_;
  int64_t max_tokens_;
  bool colour_;
  Conversation conversation_;
  InterruptScope interrupt_;
};

}  // namespace

void add_chat(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("chat", "A conversation in the terminal");
  add_model_options(*command, options->model);
  add_sampling_options(*command, options->sampling);
  command->add_option("--system", options->system, "System message");
  command->add_option("-n,--max-tokens", options->max_tokens, "Tokens of an answer at most")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40))
      ->capture_default_str();
  command->callback(
      [options] { Chat(open_session(options->model, options->max_tokens), *options).run(); });
}

}  // namespace fathom::cli
