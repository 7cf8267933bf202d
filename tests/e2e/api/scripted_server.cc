// `fathom serve` with an engine that says what it is told to: for tests of what clients see.
//   scripted_server LEDGER [--flag value]...
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include "api/local_backend.h"
#include "api/request_log.h"
#include "api/server.h"
#include "api/testing/echo_engine.h"
#include "base/error.h"
#include "checkpoint/synth_tokenizer.h"

namespace {

using namespace fathom;

int serve(const std::string& ledger_address, std::map<std::string, std::string> flags) {
  const auto number = [&](const char* name, int64_t otherwise) {
    return flags.contains(name) ? std::atoll(flags[name].c_str()) : otherwise;
  };
  api::log_as_json();
  ModelConfig config;
  config.vocab_size = 512;
  config.max_position_embeddings = 65536;
  const TokenizerFiles files = make_byte_tokenizer(config);
  const auto tokenizer =
      text::Tokenizer::from_json(files.tokenizer_json, files.tokenizer_config_json);
  api::testing::EchoEngine engine(tokenizer);
  api::LocalBackend backend(engine, tokenizer,
                            {.name = "echo",
                             .fingerprint = "echo",
                             .context_length = number("--context", 65536),
                             .speculation = true,
                             .stop_ids = {*tokenizer->eos_id()},
                             .vocab_size = tokenizer->vocab_size(),
                             .time_limit = std::chrono::seconds(number("--time-limit", 1800))});
  const int64_t clock = number("--clock", 0);  // seconds since 1970; 0: the real one
  ledger::Ledger ledger({.address = ledger_address,
                         .durability = ledger::Durability::kProcess,
                         .clock = clock == 0 ? ledger::Ledger::Clock() : [clock] {
                           return ledger::Time(std::chrono::seconds(clock));
                         }});
  api::ServerOptions options;
  options.port = static_cast<uint16_t>(number("--port", 0));
  options.host = flags.contains("--host") ? flags["--host"] : "127.0.0.1";
  options.tls_certificate = flags["--tls-cert"];
  options.tls_key = flags["--tls-key"];
  options.grace = std::chrono::seconds(number("--grace", 5));
  options.service.keep_alive = std::chrono::milliseconds(number("--keep-alive-ms", 10'000));
  options.service.key_concurrency = number("--key-concurrency", 0);
  options.limits.body_bytes = static_cast<uint64_t>(number("--max-body", 8 << 20));
  api::Server server(backend, ledger, options);
  server.stop_on_signals();
  std::printf("serving at %s\n", server.url().c_str());
  std::fflush(stdout);
  server.run();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::map<std::string, std::string> flags;
  for (int i = 2; i + 1 < argc; i += 2) flags[argv[i]] = argv[i + 1];
  try {
    return serve(argv[1], flags);
  } catch (const fathom::Error& error) {
    std::fprintf(stderr, "scripted_server: %s\n", error.what());
    return fathom::exit_code(error.kind());
  }
}
