#include <atomic>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "cli/commands.h"
#include "train/mpi_ranks.h"
#include "train/settings.h"
#include "train/trainer.h"

namespace fathom::cli {
namespace {

std::atomic<bool> stop_requested = false;

void request_stop(int) { stop_requested = true; }

struct Options {
  std::string config;
  bool resume = false;
};

void train(const Options& options) {
  std::signal(SIGINT, request_stop);
  std::signal(SIGTERM, request_stop);
  const std::unique_ptr<train::Ranks> ranks = train::join_ranks(stop_requested);
  train::Trainer trainer(train::Settings::load(options.config), *ranks, options.resume);
  if (ranks->rank() == 0) {
    std::fprintf(stderr, "%.2fM parameters, %.1f MFLOP a token",
                 static_cast<double>(trainer.parameters()) / 1e6, trainer.flops_per_token() / 1e6);
    if (ranks->size() > 1) std::fprintf(stderr, ", %d ranks", ranks->size());
    std::fprintf(stderr, "\n");
  }
  trainer.run(stop_requested);
}

}  // namespace

void add_train(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("train", "Train a model of the V3 architecture");
  command->add_option("config", options->config, "The run's settings, a TOML file")->required();
  command->add_flag("--resume", options->resume, "Go on from the run's saved state");
  command->callback([options] { train(*options); });
}

}  // namespace fathom::cli
