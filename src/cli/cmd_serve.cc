// fathom serve: the API, the page and the ledger in front of a model.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include <CLI/CLI.hpp>

#include "api/local_backend.h"
#include "api/request_log.h"
#include "api/server.h"
#include "base/error.h"
#include "cli/commands.h"
#include "cli/config_file.h"
#include "cli/memory_check.h"
#include "cli/model_options.h"
#include "cli/upstream_options.h"
#include "engine/local_engine.h"
#include "text/stop_ids.h"
#include "text/tokenizer.h"

namespace fathom::cli {
namespace {

struct Options {
  ModelOptions model;
  UpstreamFlags upstream;
  api::ServerOptions server;
  LocalEngineOptions engine;
  std::string ledger;
  std::string config;
  int64_t context = 65536;
  double kv_memory = 0;  // GB
  std::string cache_dir;
  double cache_size = 16;  // GB
  int64_t cache_hours = 72;
  bool no_disk_cache = false;
  bool no_speculation = false;
  int64_t time_limit = 1800;
  int64_t grace = 30;
  double keep_alive = 10;
  double max_body = 8;  // MB
};

std::string default_cache_dir() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache && *cache) {
    return std::string(cache) + "/fathom/context";
  }
  if (const char* home = std::getenv("HOME")) return std::string(home) + "/.cache/fathom/context";
  return "";
}

// Half of what the weights leave, and no more than most need.
size_t kv_bytes(const Options& options) {
  if (options.kv_memory > 0) return static_cast<size_t>(options.kv_memory * 1e9);
  return std::min<size_t>(size_t{4} << 30, memory_available() / 2);
}

LocalEngineOptions engine_options(const Options& options) {
  LocalEngineOptions engine = options.engine;
  engine.kv_bytes = kv_bytes(options);
  engine.speculation = !options.no_speculation;
  if (!options.no_disk_cache) {
    engine.cache.directory = options.cache_dir.empty() ? default_cache_dir() : options.cache_dir;
  }
  engine.cache.disk.budget_bytes = static_cast<uint64_t>(options.cache_size * 1e9);
  engine.cache.disk.ttl = std::chrono::hours(options.cache_hours);
  return engine;
}

api::ServerOptions server_options(const Options& options) {
  api::ServerOptions server = options.server;
  server.grace = std::chrono::seconds(options.grace);
  server.limits.body_bytes = static_cast<uint64_t>(options.max_body * 1e6);
  server.service.keep_alive =
      std::chrono::milliseconds(static_cast<int64_t>(options.keep_alive * 1000));
  return server;
}

std::string model_name(const std::string& dir) {
  const std::string trimmed = dir.substr(0, dir.find_last_not_of('/') + 1);
  return trimmed.substr(trimmed.find_last_of('/') + 1);
}

void serve(const Options& options, api::Backend& backend) {
  ledger::Ledger ledger(
      {.address = options.ledger.empty() ? ledger::default_ledger_address() : options.ledger,
       .durability = ledger::Durability::kProcess,
       .clock = {}});
  api::Server server(backend, ledger, server_options(options));
  server.stop_on_signals();
  fmt::print("serving {} ({}) at {}\n", options.server.service.model, backend.info().name,
             server.url());
  std::fflush(stdout);
  server.run();
}

void serve_upstream(const Options& options) {
  UpstreamFlags flags = options.upstream;
  flags.options.context_length = options.context;
  flags.options.time_limit = std::chrono::seconds(options.time_limit);
  const auto backend = open_upstream(flags, options.model.dir);
  serve(options, *backend);
}

void serve_local(const Options& options) {
  ModelOptions named = options.model;
  named.dir = model_dir(options.model);
  const auto tokenizer = text::Tokenizer::load(named.dir);
  const auto model = open_model(named, options.context);
  const ModelConfig& config = model->config();
  LocalEngine engine(*model, engine_options(options));
  api::LocalBackend backend(
      engine, tokenizer,
      {.name = model_name(named.dir),
       .fingerprint = model->fingerprint(),
       .context_length = std::min(options.context, config.max_position_embeddings),
       .speculation = !options.no_speculation && model->has_mtp(),
       .stop_ids = text::stop_ids(config.eos_token_id, tokenizer.get(), config.vocab_size),
       .vocab_size = config.vocab_size,
       .time_limit = std::chrono::seconds(options.time_limit),
       .weights_moved = [&model] { return model->weight_move().share(); }});
  serve(options, backend);
}

void add_network_options(CLI::App& command, Options& options) {
  api::ServerOptions& server = options.server;
  command.add_option("--host", server.host, "Address to listen on")->capture_default_str();
  command.add_option("--port", server.port, "Port (0: any that is free)")->capture_default_str();
  command.add_option("--tls-cert", server.tls_certificate, "PEM file of the certificate chain");
  command.add_option("--tls-key", server.tls_key, "PEM file of its private key");
  command.add_option("--max-connections", server.max_connections)
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command.add_option("--max-body", options.max_body, "Of a request, in MB")
      ->check(CLI::Range(0.001, 1000.0))
      ->capture_default_str();
  command.add_option("--grace", options.grace, "Seconds for running answers after SIGTERM")
      ->check(CLI::Range(0, 86400))
      ->capture_default_str();
}

void add_service_options(CLI::App& command, Options& options) {
  api::ServiceOptions& service = options.server.service;
  command.add_option("--model-name", service.model, "The model's name in requests")
      ->capture_default_str();
  command.add_option("--keep-alive", options.keep_alive, "Seconds between signs of life")
      ->check(CLI::Range(0.01, 3600.0))
      ->capture_default_str();
  command.add_option("--time-limit", options.time_limit, "Seconds for an answer")
      ->check(CLI::Range(1, 86400))
      ->capture_default_str();
  command
      .add_option("--key-concurrency", service.key_concurrency,
                  "Requests of one key at a time (0: any number)")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
  command.add_flag("--log-bodies", service.log_bodies, "Log what was asked, too");
  command.add_option("--ledger", options.ledger,
                     "SQLite file or postgres:// address (default: $FATHOM_LEDGER, else "
                     "~/.local/share/fathom/ledger.db)");
  command.add_option("--config", options.config, "TOML file of these flags, without the dashes");
}

void add_engine_options(CLI::App& command, Options& options) {
  LocalEngineOptions& engine = options.engine;
  command.add_option("--context", options.context, "Tokens of prompt and answer together")
      ->check(CLI::Range(64, 1 << 20))
      ->capture_default_str();
  command
      .add_option("--kv-memory", options.kv_memory,
                  "GB for latent KV (0: half of the free memory, 4.3 at most)")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  command.add_option("--max-running", engine.max_running, "Answers computed at a time")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  command.add_option("--max-waiting", engine.max_waiting, "Requests that may wait; more get 503")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command.add_flag("--no-speculation", options.no_speculation, "Leave the MTP layer out");
  command.add_option("--cache-dir", options.cache_dir,
                     "Of the context cache (default: ~/.cache/fathom/context)");
  command.add_option("--cache-size", options.cache_size, "GB of it on disk")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  command.add_option("--cache-hours", options.cache_hours, "Hours that an unused entry stays")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
  command.add_flag("--no-disk-cache", options.no_disk_cache, "Keep it in memory only");
}

}  // namespace

void add_serve(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("serve", "The API and the chat page over HTTP");
  add_model_options(*command, options->model);
  add_upstream_options(*command, options->upstream);
  add_network_options(*command, *options);
  add_service_options(*command, *options);
  add_engine_options(*command, *options);
  command->callback([options, command] {
    if (!options->config.empty()) apply_config_file(*command, options->config);
    check_upstream_options(*command, options->upstream);
    api::log_as_json();
    if (options->upstream.given()) {
      serve_upstream(*options);
    } else {
      serve_local(*options);
    }
  });
}

}  // namespace fathom::cli
