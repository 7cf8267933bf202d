#include "cli/speculation_bench.h"

#include <fmt/format.h>

#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/error.h"
#include "base/median.h"
#include "cli/generation.h"
#include "cli/json_lines.h"
#include "cli/local_session.h"

namespace fathom::cli {
namespace {

struct Kind {
  const char* name;
  const char* beginning;
};
constexpr Kind kKinds[] = {{"prose", "The river rises in the mountains and"},
                           {"question", "What is the capital of France? The capital of France is"},
                           {"code", "def fibonacci(n):\n    if n < 2:\n        return n\n"},
                           {"JSON", R"({"name": "Ann", "age": 31, "languages": ["English",)"},
                           {"list", "1. apples\n2. pears\n3."},
                           {"Chinese", "春天来了,"}};
constexpr float kTemperatures[] = {0.0f, 1.0f};

/// The speeds of one kind's answers, with drafts or without.
struct Speeds {
  std::vector<double> of_answers;

  void add(const Generation& answer) { of_answers.push_back(answer.tokens_per_second()); }
  double median() const { return fathom::median(of_answers); }
};

struct Row {
  std::string kind;
  float temperature = 0;
  int64_t drafts = 0;
  int64_t kept = 0;
  Speeds with, without;
  double ratio() const { return with.median() / without.median(); }
};

Row measure(LocalSession& session, const Kind& kind, float temperature,
            const SpeculationBenchCommand& options) {
  Row row;
  row.kind = kind.name;
  row.temperature = temperature;
  const text::Tokenizer& tokenizer = session.need_tokenizer();
  GenerationRequest request;
  if (const auto bos = tokenizer.bos_id()) request.prompt.push_back(*bos);
  const auto ids = tokenizer.encode(kind.beginning);
  request.prompt.insert(request.prompt.end(), ids.begin(), ids.end());
  request.max_tokens = options.tokens;
  request.sampling.temperature = temperature;
  const std::atomic<bool> never = false;
  const auto answer = [&](bool speculate) {
    request.speculate = speculate;
    return generate(
        session, request, [](std::string_view) {}, never);
  };
  for (int64_t round = 0; round < options.rounds; ++round) {
    request.sampling.seed = static_cast<uint64_t>(round);
    const bool first = round % 2 == 0;  // who goes first takes turns too
    const Generation a = answer(first), b = answer(!first);
    FATHOM_CHECK(a.ids == b.ids);  // the engine promises it
    const Generation& with = first ? a : b;
    row.with.add(with);
    row.without.add(first ? b : a);
    row.drafts += with.usage.draft_tokens;
    row.kept += with.usage.accepted_tokens;
  }
  return row;
}

std::string as_text(const Row& r) {
  const std::string kept = r.drafts ? fmt::format("{:.0f}%", 100 * static_cast<double>(r.kept) /
                                                                 static_cast<double>(r.drafts))
                                    : "-";
  return fmt::format("{:10}{:>12}{:>8}{:>7}{:>10.1f}{:>10.1f}{:>7.2f}\n", r.kind, r.temperature,
                     r.drafts, kept, r.with.median(), r.without.median(), r.ratio());
}

nlohmann::ordered_json as_json(const Row& r) {
  return {{"kind", r.kind},
          {"temperature", r.temperature},
          {"draft_tokens", r.drafts},
          {"accepted_tokens", r.kept},
          {"tokens_per_second", r.with.median()},
          {"tokens_per_second_without", r.without.median()},
          {"ratio", r.ratio()}};
}

}  // namespace

void add_speculation_bench_options(CLI::App& command, SpeculationBenchCommand& options, bool& on) {
  CLI::Option* const flag = command.add_flag(
      "--speculation", on, "Texts of several kinds with MTP drafts and without, in turns, instead");
  command.add_option("--tokens", options.tokens, "Of each text")
      ->check(CLI::Range(int64_t{2}, int64_t{1} << 20))
      ->needs(flag)
      ->capture_default_str();
  command.add_option("--rounds", options.rounds, "Texts of each kind")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20))
      ->needs(flag)
      ->capture_default_str();
}

void run_speculation_bench(const ModelOptions& model, const SpeculationBenchCommand& options,
                           bool json) {
  LocalSession session = open_session(model, options.tokens + 64);
  if (session.model->config().num_nextn_predict_layers == 0) {
    fail(ErrorKind::kUsage, "--speculation: {} has no MTP layer", session.dir);
  }
  session.model->await_weights();
  if (!json) {
    write_stdout(fmt::format("{:10}{:>12}{:>8}{:>7}{:>10}{:>10}{:>7}\n", "", "temperature",
                             "drafts", "kept", "tokens/s", "without", "ratio"));
  }
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const Kind& kind : kKinds) {
    for (float temperature : kTemperatures) {
      const Row row = measure(session, kind, temperature, options);
      rows.push_back(as_json(row));
      if (!json) write_stdout(as_text(row));
    }
  }
  if (json) write_stdout(rows.dump(2) + "\n");
}

}  // namespace fathom::cli
