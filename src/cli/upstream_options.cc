#include "cli/upstream_options.h"

#include <cstdlib>

#include <CLI/CLI.hpp>

#include "api/upstream/dialect.h"
#include "base/error.h"
#include "io/file_system.h"
#include "text/tokenizer.h"

namespace fathom::cli {
namespace {

constexpr const char* kUpstreamOnly[] = {"--upstream-kind",     "--upstream-model",
                                         "--upstream-key-file", "--upstream-key-env",
                                         "--upstream-ca",       "--upstream-timeout"};
constexpr const char* kEngineOnly[] = {"--numerics",    "--threads",        "--allow-paging",
                                       "--mapped",      "--kv-memory",      "--max-running",
                                       "--max-waiting", "--no-speculation", "--cache-dir",
                                       "--cache-size",  "--cache-hours",    "--no-disk-cache"};

std::string trimmed(std::string text) {
  const char* const kSpace = " \t\r\n";
  text.erase(text.find_last_not_of(kSpace) + 1);
  text.erase(0, text.find_first_not_of(kSpace));
  return text;
}

std::string read_key(const UpstreamFlags& flags) {
  std::string key, from;
  if (!flags.key_file.empty()) {
    from = flags.key_file;
    key = trimmed(io::read_file(flags.key_file));
  } else if (!flags.key_variable.empty()) {
    from = "$" + flags.key_variable;
    const char* value = std::getenv(flags.key_variable.c_str());
    if (!value) fail(ErrorKind::kNotFound, "--upstream-key-env: {} is not set", from);
    key = trimmed(value);
  } else {
    return "";
  }
  const bool printable = key.find_first_of(std::string("\r\n\0", 3)) == std::string::npos;
  if (key.empty() || !printable) fail(ErrorKind::kBadInput, "{}: expected one line, a key", from);
  return key;
}

}  // namespace

void add_upstream_options(CLI::App& command, UpstreamFlags& flags) {
  api::UpstreamOptions& options = flags.options;
  command.add_option("--upstream", options.url,
                     "Serve the model of another OpenAI-compatible server, at http://HOST:PORT/v1; "
                     "DIR then needs its tokenizer only, and may be left out");
  command.add_option("--upstream-kind", options.kind,
                     "What it is, if its list of models does not tell: " + api::dialect_names());
  command.add_option("--upstream-model", options.model,
                     "The model's name there, if it has several");
  auto* file = command.add_option("--upstream-key-file", flags.key_file, "File with its API key");
  command.add_option("--upstream-key-env", flags.key_variable, "Variable with its API key")
      ->excludes(file);
  command.add_option("--upstream-ca", options.authorities,
                     "PEM file of whom to trust for https (default: the system's)");
  command.add_option("--upstream-timeout", flags.timeout, "Seconds that it may send nothing")
      ->check(CLI::Range(1, 86400))
      ->capture_default_str();
}

void check_upstream_options(const CLI::App& command, const UpstreamFlags& flags) {
  const auto refuse_given = [&](const auto& names, const char* why) {
    for (const char* name : names) {
      if (command.get_option(name)->count() > 0) fail(ErrorKind::kUsage, "{}: {}", name, why);
    }
  };
  if (flags.given()) {
    refuse_given(kEngineOnly, "has no meaning with --upstream, whose engine is elsewhere");
  } else {
    refuse_given(kUpstreamOnly, "has no meaning without --upstream");
  }
}

std::unique_ptr<api::UpstreamBackend> open_upstream(const UpstreamFlags& flags,
                                                    const std::string& tokenizer_dir) {
  api::UpstreamOptions options = flags.options;
  options.key = read_key(flags);
  options.silence_time = std::chrono::seconds(flags.timeout);
  return std::make_unique<api::UpstreamBackend>(
      std::move(options), tokenizer_dir.empty() ? nullptr : text::Tokenizer::load(tokenizer_dir));
}

}  // namespace fathom::cli
