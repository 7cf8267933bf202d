// fathom generate: one completion of a text or of ids.
#include <cstdio>
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/generation.h"
#include "cli/json_lines.h"
#include "cli/local_session.h"

namespace fathom::cli {
namespace {

struct Options {
  ModelOptions model;
  GenerationRequest request;
  std::string prompt;
  bool json = false;
  bool ignore_eos = false;
};

nlohmann::ordered_json as_json(const Generation& g, bool with_text) {
  nlohmann::ordered_json json;
  json["ids"] = g.ids;
  if (with_text) json["text"] = g.text;
  json["finish_reason"] = finish_reason_name(g.reason);
  json["usage"] = {{"prompt_tokens", g.usage.prompt_tokens},
                   {"completion_tokens", g.ids.size()},
                   {"draft_tokens", g.usage.draft_tokens},
                   {"accepted_tokens", g.usage.accepted_tokens}};
  json["timings"] = {{"prefill_seconds", g.usage.prefill_seconds},
                     {"decode_seconds", g.usage.decode_seconds},
                     {"tokens_per_second", g.tokens_per_second()}};
  return json;
}

void run(const CLI::App& command, Options options) {
  const bool by_ids = command.count("--ids") > 0;
  if (by_ids == (command.count("--prompt") > 0)) {
    fail(ErrorKind::kUsage, "generate: give --prompt TEXT or --ids 1,2,3");
  }
  GenerationRequest& request = options.request;
  const auto given = static_cast<int64_t>(by_ids ? request.prompt.size() : options.prompt.size());
  LocalSession session = open_session(options.model, given + request.max_tokens);
  if (!by_ids) {
    const text::Tokenizer& tokenizer = session.need_tokenizer();
    if (const auto bos = tokenizer.bos_id()) request.prompt.push_back(*bos);
    const auto ids = tokenizer.encode(options.prompt);
    request.prompt.insert(request.prompt.end(), ids.begin(), ids.end());
  }
  if (!options.ignore_eos) request.stop_ids = session.stop_ids();

  const auto print = [&](std::string_view piece) {
    if (options.json) return;
    std::fwrite(piece.data(), 1, piece.size(), stdout);
    std::fflush(stdout);
  };
  const InterruptScope interrupt;
  const Generation g = generate(session, request, print, interrupt.flag());
  if (options.json) {
    const auto json = as_json(g, session.tokenizer != nullptr);
    return write_stdout(json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  }
  if (!session.tokenizer) {
    for (size_t i = 0; i < g.ids.size(); ++i) std::printf(i ? ",%d" : "%d", g.ids[i]);
  }
  write_stdout("\n");
  std::fprintf(stderr, "%zu tokens, %.1f tokens/s, %s\n", g.ids.size(), g.tokens_per_second(),
               std::string(finish_reason_name(g.reason)).c_str());
}

}  // namespace

void add_generate(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("generate", "Complete a text or ids");
  add_model_options(*command, options->model);
  add_sampling_options(*command, options->request.sampling);
  command->add_option("--prompt", options->prompt,
                      "Text to continue; the begin-of-sentence token goes before it");
  command->add_option("--ids", options->request.prompt, "Token ids to continue, as they are")
      ->delimiter(',');
  command->add_option("-n,--max-tokens", options->request.max_tokens, "New tokens at most")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 40))
      ->capture_default_str();
  command->add_flag("--json", options->json, "One JSON object in place of the text");
  command->add_flag("--speculate,!--no-speculate", options->request.speculate,
                    "Let the model's MTP layer propose tokens where that is faster (default)");
  command->add_flag("--ignore-eos", options->ignore_eos, "Go on past the end of sentence");
  command->callback([command, options] { run(*command, *options); });
}

}  // namespace fathom::cli
