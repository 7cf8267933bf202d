#include "cli/eval_perplexity.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <span>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/json_lines.h"
#include "cli/model_options.h"
#include "cli/progress_bar.h"
#include "eval/data/records.h"
#include "eval/run/chat_client.h"
#include "eval/scorers/likelihood.h"
#include "io/file_system.h"
#include "model/capture.h"
#include "text/tokenizer.h"

namespace fathom::cli {
namespace {

struct Options {
  ModelOptions model;
  std::string data;
  std::string api, key, model_name;
  int64_t window = 1024;
  bool json = false;
};

// A text file is one document; .json, .jsonl and .csv hold one in each row's "text".
std::vector<std::string> documents(const std::string& path) {
  if (path.ends_with(".json") || path.ends_with(".jsonl") || path.ends_with(".csv")) {
    std::vector<std::string> texts;
    for (const eval::Record& record : eval::read_records(path, {"text", {}})) {
      texts.push_back(record.text("text"));
    }
    return texts;
  }
  return {io::read_file(path)};
}

// log softmax of one row at `token`, summed in float64.
double logprob(std::span<const float> logits, int32_t token) {
  const double most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - most);
  return static_cast<double>(logits[static_cast<size_t>(token)]) - most - std::log(sum);
}

// Every token once. A window of W tokens follows the token before it, the first the begin token;
// what stands before a window is not seen in it.
std::vector<double> document_logprobs(Transformer& model, const text::Tokenizer& tokenizer,
                                      const std::string& text, int64_t window) {
  std::vector<int32_t> tokens = {tokenizer.bos_id().value_or(0)};
  const std::vector<int32_t> ids = tokenizer.encode_plain(text);
  tokens.insert(tokens.end(), ids.begin(), ids.end());
  std::vector<double> out;
  for (size_t at = 0; at + 1 < tokens.size(); at += static_cast<size_t>(window)) {
    const size_t count = std::min(static_cast<size_t>(window), tokens.size() - 1 - at);
    const std::span<const int32_t> input(tokens.data() + at, count);
    const NamedArray logits = prompt_logits(model, input, "logits");
    const auto vocabulary = static_cast<size_t>(logits.shape[1]);
    const auto* rows = reinterpret_cast<const float*>(logits.data.data());
    for (size_t i = 0; i < count; ++i) {
      out.push_back(logprob({rows + i * vocabulary, vocabulary}, tokens[at + i + 1]));
    }
  }
  return out;
}

std::vector<eval::ScoredDocument> scored_here(const Options& options,
                                              const std::vector<std::string>& texts) {
  const auto model = open_model(options.model, options.window);
  const auto tokenizer = text::Tokenizer::load(model_dir(options.model));
  std::vector<eval::ScoredDocument> scored;
  uint64_t done = 0, total = 0;
  for (const std::string& text : texts) total += text.size();
  ProgressBar bar("perplexity");
  for (const std::string& text : texts) {
    scored.push_back({text, document_logprobs(*model, *tokenizer, text, options.window)});
    bar.update(done += text.size(), total);
  }
  return scored;
}

std::vector<eval::ScoredDocument> scored_there(const Options& options,
                                               const std::vector<std::string>& texts) {
  eval::Endpoint endpoint;
  endpoint.address = parse_http_address("--api", options.api);
  endpoint.key = options.key;
  endpoint.model = options.model_name;
  std::vector<eval::ScoredDocument> scored;
  for (const std::string& text : texts) {
    try {
      scored.push_back({text, eval::echo_logprobs(endpoint, text, scored.size())});
    } catch (const eval::RequestFailed& failure) {
      fail(ErrorKind::kIo,
           "{}: no log-probabilities of a prompt from POST /completions with echo: {}", options.api,
           failure.what());
    }
  }
  return scored;
}

void run(const Options& options) {
  const std::vector<std::string> texts = documents(options.data);
  const auto scored =
      options.api.empty() ? scored_here(options, texts) : scored_there(options, texts);
  const eval::LikelihoodScores scores = eval::likelihood_scores(scored);
  size_t tokens = 0, bytes = 0;
  for (const eval::ScoredDocument& document : scored) {
    tokens += document.logprobs.size();
    bytes += document.text.size();
  }
  if (options.json) {
    const nlohmann::ordered_json out = {{"documents", scored.size()},
                                        {"bytes", bytes},
                                        {"tokens", tokens},
                                        {"bits_per_byte", scores.bits_per_byte},
                                        {"byte_perplexity", scores.byte_perplexity},
                                        {"word_perplexity", scores.word_perplexity},
                                        {"token_perplexity", scores.token_perplexity}};
    return write_stdout(out.dump(1) + "\n");
  }
  write_stdout(fmt::format(
      "{} documents, {} bytes, {} tokens\nbits per byte     {:.4f}\ntoken perplexity  {:.4f}\nword "
      "perplexity   {:.4f}\nbyte perplexity   {:.4f}\n",
      scored.size(), bytes, tokens, scores.bits_per_byte, scores.token_perplexity,
      scores.word_perplexity, scores.byte_perplexity));
}

}  // namespace

void add_eval_perplexity(CLI::App& eval) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = eval.add_subcommand("perplexity", "Bits per byte and perplexity of a text");
  add_model_options(*command, options->model);
  command
      ->add_option("--data", options->data,
                   "A text file, or .jsonl, .json or .csv with a \"text\" in each row")
      ->required();
  command->add_option("--window", options->window, "Tokens that are predicted at a time")
      ->check(CLI::Range(2, 1 << 17))
      ->capture_default_str();
  command->add_option("--api", options->api,
                      "A server instead, whose /completions gives a prompt's log-probabilities");
  command->add_option("--api-key", options->key, "Its key")->envname("FATHOM_EVAL_API_KEY");
  command->add_option("--model-name", options->model_name, "Its name for the model");
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([options] { run(*options); });
}

}  // namespace fathom::cli
