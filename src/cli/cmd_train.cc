#include <atomic>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "cli/commands.h"
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
  train::Trainer trainer(train::Settings::load(options.config), options.resume);
  std::fprintf(stderr, "%.2fM parameters, %.1f MFLOP a token\n",
               static_cast<double>(trainer.parameters()) / 1e6, trainer.flops_per_token() / 1e6);
  std::signal(SIGINT, request_stop);
  std::signal(SIGTERM, request_stop);
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
