#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdio>
#include <exception>
#include <new>

#include <CLI/CLI.hpp>

#include "base/error.h"
#include "cli/commands.h"

namespace {

int run(int argc, char** argv) {
  CLI::App app{"DeepSeek-V3 on your own machine: run, serve, train, convert and evaluate.",
               "fathom"};
  app.set_version_flag("--version", FATHOM_VERSION);
  app.require_subcommand(1);
  fathom::cli::add_chat(app);
  fathom::cli::add_serve(app);
  fathom::cli::add_generate(app);
  fathom::cli::add_inspect(app);
  fathom::cli::add_tokenize(app);
  fathom::cli::add_render(app);
  fathom::cli::add_logits(app);
  fathom::cli::add_convert(app);
  fathom::cli::add_train(app);
  fathom::cli::add_eval(app);
  fathom::cli::add_bench(app);
  fathom::cli::add_train_tokenizer(app);
  fathom::cli::add_data(app);
  fathom::cli::add_synth(app);
  fathom::cli::add_keys(app);
  fathom::cli::add_account(app);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : fathom::exit_code(fathom::ErrorKind::kUsage);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  // Answers go to stdout, so the log doesn't; a command whose log is wanted lowers the level.
  spdlog::set_default_logger(spdlog::stderr_color_mt("fathom"));
  spdlog::set_level(spdlog::level::warn);
  try {
    return run(argc, argv);
  } catch (const fathom::Error& error) {
    std::fprintf(stderr, "fathom: %s\n", error.what());
    return fathom::exit_code(error.kind());
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "fathom: out of memory\n");
    return fathom::exit_code(fathom::ErrorKind::kResource);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "fathom: internal error: %s\n", error.what());
    return 1;
  }
}
