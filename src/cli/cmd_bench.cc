// fathom bench: how fast a model runs here, beside how fast this machine can.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/processors.h"
#include "bench/measure.h"
#include "bench/report.h"
#include "cli/commands.h"
#include "cli/json_lines.h"
#include "cli/model_options.h"
#include "cli/sampler_bench.h"
#include "cli/serve_sim.h"
#include "cli/speculation_bench.h"
#include "engine/sampler.h"

namespace fathom::cli {
namespace {

struct Options {
  ModelOptions model;
  std::vector<int64_t> contexts = {0, 4096, 16384};
  std::vector<int64_t> prompts = {128, 512, 2048};
  std::vector<int64_t> batches = {1, 2, 4, 16, 64};
  double seconds = 2;
  bool json = false;
  bool profile = false;
  bool cpu_time = false;
  bool last_rows = false;
  bool all_logits = false;
  bool serve_sim = false;
  ServeSimCommand service;
  bool speculation = false;
  SpeculationBenchCommand drafts;
  bool sampler = false;
};

std::vector<bench::Workload> workloads(const Options& options, const LogitChoice* choice) {
  std::vector<bench::Workload> all;
  for (int64_t context : options.contexts) {
    all.push_back({fmt::format("decode at {}", context), 1, 1, context});
  }
  for (int64_t tokens : options.prompts) {
    all.push_back({fmt::format("prefill {}", tokens), 1, tokens, 0, !options.last_rows});
  }
  for (int64_t sequences : options.batches) {
    all.push_back({fmt::format("decode, batch {}", sequences), sequences, 1, 0});
  }
  for (bench::Workload& workload : all) workload.choice = choice;
  return all;
}

int64_t most_positions(const std::vector<bench::Workload>& all) {
  int64_t most = 0;
  for (const bench::Workload& w : all) {
    most = std::max(most, w.sequences * (w.context + w.tokens));
  }
  return most;
}

void check_fit(const ModelConfig& config, const std::vector<bench::Workload>& all) {
  for (const bench::Workload& w : all) {
    if (w.sequences < 1 || w.tokens < 1) {
      fail(ErrorKind::kUsage, "{}: expected a list of numbers", w.name);
    }
    if (w.context + w.tokens <= config.max_position_embeddings) continue;
    fail(ErrorKind::kUsage, "{}: {} positions, the model's context holds {}", w.name,
         w.context + w.tokens, config.max_position_embeddings);
  }
}

void run(const Options& options) {
  const SamplingParams params;  // a request's that sets none
  const auto draw = engine::DrawChoice::of({.params = &params});
  const std::vector<bench::Workload> all =
      workloads(options, options.all_logits ? nullptr : &*draw);
  const auto model = open_model(options.model, most_positions(all));
  check_fit(model->config(), all);
  model->await_weights();
  const WeightMoveStatus move = model->weight_move();
  if (options.cpu_time && model->threads() > 1) {
    fail(ErrorKind::kUsage, "--cpu-time: {} threads, expected --threads 1: waiting would count too",
         model->threads());
  }
  bench::Ceilings ceilings(model->threads(), size_t{1} << 30,
                           options.cpu_time ? bench::Clock::kProcessor : bench::Clock::kWall,
                           move.panels);
  const bench::Setting setting{
      model_dir(options.model), cpu_features().name,
      kernels().name,           std::string(numerics_name(model->numerics())),
      move.total_bytes > 0,     move.seconds,
      model->threads(),         ceilings.on_one_thread(),
      ceilings.on_all_threads()};
  const auto print = [&](const std::string& text) {
    if (!options.json) write_stdout(text);
  };
  print(bench::setting_text(setting) + bench::speed_header());
  std::vector<bench::Speed> speeds;
  for (const bench::Workload& workload : all) {
    speeds.push_back(bench::measure(*model, ceilings, workload, options.seconds));
    print(bench::speed_line(setting, speeds.back()));
    if (options.profile) print(bench::profile_table(speeds.back()));
  }
  if (options.json) write_stdout(bench::as_json(setting, speeds).dump(2) + "\n");
}

}  // namespace

void add_bench(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("bench", "Speed of a model beside the machine's ceilings");
  add_model_options(*command, options->model);
  const auto list = [&](const char* name, std::vector<int64_t>& values, int64_t least,
                        const char* what) {
    command->add_option(name, values, what)
        ->delimiter(',')
        ->check(CLI::Range(least, int64_t{1} << 20))
        ->expected(0, 1 << 10)
        ->capture_default_str();
  };
  list("--decode", options->contexts, 0, "Contexts at which one sequence decodes");
  list("--prefill", options->prompts, 1, "Prompt lengths");
  list("--batch", options->batches, 1, "Sequences that decode together");
  command->add_option("--seconds", options->seconds, "Time for each figure")
      ->check(CLI::Range(0.01, 3600.0))
      ->capture_default_str();
  command->add_flag("--profile", options->profile, "Time per operation as well");
  command->add_flag("--cpu-time", options->cpu_time,
                    "Measure in seconds of the one thread, for a machine with other work");
  command->add_flag("--last-rows", options->last_rows,
                    "Prompts as a server without drafts takes them in: the last layer's MLP for "
                    "the row with logits alone");
  command->add_flag("--all-logits", options->all_logits,
                    "Computes all logits, as requests with logprobs or top_p need them, and not "
                    "only those that a draw may choose");
  command->add_flag("--json", options->json, "Everything measured and counted, as JSON");
  add_serve_sim_options(*command, options->service, options->serve_sim);
  add_speculation_bench_options(*command, options->drafts, options->speculation);
  command->add_flag("--sampler", options->sampler,
                    "Choosing tokens beside computing their logits, instead");
  command->callback([options] {
    if (options->sampler) {
      run_sampler_bench(options->model, options->seconds, options->json);
    } else if (options->speculation) {
      run_speculation_bench(options->model, options->drafts, options->json);
    } else if (options->serve_sim) {
      run_serve_sim(options->model, options->service, options->json);
    } else {
      run(*options);
    }
  });
}

}  // namespace fathom::cli
