#include "cli/local_session.h"

#include <utility>

#include <CLI/CLI.hpp>

#include "base/error.h"
#include "io/file_system.h"
#include "text/stop_ids.h"

namespace fathom::cli {
namespace {

constexpr size_t kPageSlack = 64;  // pages begin on cache lines

}  // namespace

const text::Tokenizer& LocalSession::need_tokenizer() const {
  if (!tokenizer) fail(ErrorKind::kNotFound, "{}: no tokenizer.json: give --ids", dir);
  return *tokenizer;
}

std::vector<int32_t> LocalSession::stop_ids() const {
  const ModelConfig& config = model->config();
  return text::stop_ids(config.eos_token_id, tokenizer.get(), config.vocab_size);
}

LocalSession open_session(const ModelOptions& options, int64_t context) {
  LocalSession session;
  session.dir = model_dir(options);
  ModelOptions named = options;
  named.dir = session.dir;
  session.model = open_model(named, context);
  // Room for one request as long as the model takes. Pages get memory as they come to be used.
  LocalEngineOptions engine;
  const int64_t pages = session.model->config().max_position_embeddings / kPageTokens + 2;
  engine.kv_bytes = static_cast<size_t>(pages) * (session.model->page_bytes() + kPageSlack);
  session.engine = std::make_unique<LocalEngine>(*session.model, std::move(engine));
  if (io::file_exists(io::join(session.dir, "tokenizer.json"))) {
    session.tokenizer = text::Tokenizer::load(session.dir);
  }
  return session;
}

void add_sampling_options(CLI::App& command, SamplingParams& params) {
  command.add_option("--temperature", params.temperature, "0: the likeliest token")
      ->check(CLI::Range(0.0f, 2.0f))
      ->capture_default_str();
  command.add_option("--top-p", params.top_p, "Share of the likeliest")
      ->check(CLI::Range(0.0f, 1.0f))
      ->capture_default_str();
  command.add_option("--top-k", params.top_k, "The likeliest k (0: all)")
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  command.add_option("--min-p", params.min_p, "Share of the likeliest one's probability")
      ->check(CLI::Range(0.0f, 1.0f))
      ->capture_default_str();
  command.add_option("--frequency-penalty", params.frequency_penalty)
      ->check(CLI::Range(-2.0f, 2.0f))
      ->capture_default_str();
  command.add_option("--presence-penalty", params.presence_penalty)
      ->check(CLI::Range(-2.0f, 2.0f))
      ->capture_default_str();
  command.add_option("--seed", params.seed, "Same seed, same answer");
}

}  // namespace fathom::cli
