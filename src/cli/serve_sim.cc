#include "cli/serve_sim.h"

#include <fmt/format.h>

#include <algorithm>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/json_lines.h"
#include "engine/local_engine.h"

namespace fathom::cli {
namespace {

using engine::ServeSimReport;
using engine::Spread;

nlohmann::ordered_json as_json(const Spread& spread) {
  return {{"mean", spread.mean},
          {"p50", spread.p50},
          {"p90", spread.p90},
          {"p99", spread.p99},
          {"max", spread.max}};
}

nlohmann::ordered_json as_json(const ServeSimReport& r) {
  return {{"finished", r.finished},
          {"refused", r.refused},
          {"failed", r.failed},
          {"seconds", r.seconds},
          {"prompt_tokens", r.prompt_tokens},
          {"cached_tokens", r.cached_tokens},
          {"hit_rate", r.hit_rate()},
          {"new_tokens", r.new_tokens},
          {"draft_tokens", r.draft_tokens},
          {"accepted_tokens", r.accepted_tokens},
          {"tokens_per_second", r.tokens_per_second()},
          {"time_to_first_token", as_json(r.first_token)},
          {"time_per_token", as_json(r.gap)},
          {"request_time", as_json(r.request)}};
}

std::string line(const char* name, const Spread& s) {
  return fmt::format("{:<22}{:>9.1f}{:>9.1f}{:>9.1f}{:>9.1f}{:>9.1f}\n", name, 1e3 * s.mean,
                     1e3 * s.p50, 1e3 * s.p90, 1e3 * s.p99, 1e3 * s.max);
}

std::string as_text(const ServeSimReport& r) {
  std::string text = fmt::format("{:<22}{:>9}{:>9}{:>9}{:>9}{:>9}\n", "milliseconds", "mean", "p50",
                                 "p90", "p99", "max");
  text += line("time to first token", r.first_token);
  text += line("time per token", r.gap);
  text += line("request", r.request);
  text += fmt::format("{} requests in {:.1f} s, {} refused, {} failed\n", r.finished, r.seconds,
                      r.refused, r.failed);
  text += fmt::format("{} new tokens, {:.1f} tokens/s; {} of {} drafts kept\n", r.new_tokens,
                      r.tokens_per_second(), r.accepted_tokens, r.draft_tokens);
  text += fmt::format("{} prompt tokens, {:.1f}% from the context cache\n", r.prompt_tokens,
                      100 * r.hit_rate());
  return text;
}

}  // namespace

void add_serve_sim_options(CLI::App& command, ServeSimCommand& options, bool& on) {
  engine::ServeSimOptions& load = options.load;
  CLI::Option* const flag = command.add_flag(
      "--serve-sim", on, "Requests at random times through the engine instead, without HTTP");
  const auto count = [&](const char* name, int64_t& value, int64_t least, const char* what) {
    command.add_option(name, value, what)
        ->check(CLI::Range(least, int64_t{1} << 24))
        ->needs(flag)
        ->capture_default_str();
  };
  count("--requests", load.requests, 1, "How many");
  command.add_option("--per-second", load.per_second, "Arrivals on average, a Poisson process")
      ->check(CLI::Range(1e-3, 1e6))
      ->needs(flag)
      ->capture_default_str();
  count("--min-prompt", load.min_prompt, 1, "Tokens of a prompt's own part");
  count("--max-prompt", load.max_prompt, 1, "");
  count("--min-answer", load.min_answer, 1, "Tokens of an answer");
  count("--max-answer", load.max_answer, 1, "");
  count("--prefixes", load.prefixes, 0, "Beginnings that prompts share");
  count("--prefix-tokens", load.prefix_tokens, 0, "Tokens of each");
  command.add_option("--shared", load.shared, "Share of prompts that begin with one")
      ->check(CLI::Range(0.0, 1.0))
      ->needs(flag)
      ->capture_default_str();
  count("--users", load.users, 1, "Who share the engine evenly");
  count("--max-running", options.max_running, 1, "Requests computed at the same time");
  command.add_option("--kv-gigabytes", options.kv_gigabytes, "Memory for latent KV and the cache")
      ->check(CLI::Range(1e-3, 1e5))
      ->needs(flag)
      ->capture_default_str();
  command.add_flag("--speculate,!--no-speculate", options.speculate, "With MTP drafts (default)")
      ->needs(flag);
  command.add_option("--trace-seed", load.seed, "Same seed, same trace")->needs(flag);
}

void run_serve_sim(const ModelOptions& options, const ServeSimCommand& command, bool json) {
  const engine::ServeSimOptions& load = command.load;
  const int64_t longest = load.prefix_tokens + load.max_prompt + load.max_answer;
  const auto model = open_model(options, longest);
  if (longest > model->config().max_position_embeddings) {
    fail(ErrorKind::kUsage, "--serve-sim: requests of up to {} tokens, the context holds {}",
         longest, model->config().max_position_embeddings);
  }
  const auto trace = make_trace(load, model->config().vocab_size);
  model->await_weights();
  LocalEngineOptions how;
  how.kv_bytes = static_cast<size_t>(command.kv_gigabytes * 1e9);
  how.max_running = command.max_running;
  how.max_waiting = load.requests;
  how.speculation = command.speculate;
  LocalEngine engine(*model, how);
  const ServeSimReport report = simulate_service(engine, trace, load);
  write_stdout(json ? as_json(report).dump(2) + "\n" : as_text(report));
}

}  // namespace fathom::cli
