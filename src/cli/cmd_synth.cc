#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "base/error.h"
#include "base/processors.h"
#include "checkpoint/checkpoint_dir.h"
#include "checkpoint/synth.h"
#include "cli/commands.h"
#include "cli/progress_bar.h"

namespace fathom::cli {
namespace {

struct Arguments {
  std::string config;
  std::string dir;
  std::optional<int64_t> layers;
  std::optional<int64_t> dense_layers;
  bool no_mtp = false;
  std::string dtype = "fp8";
  int threads = 0;
  SynthOptions options;
};

ModelConfig read_config(const Arguments& arguments) {
  const std::string& path = arguments.config;
  ModelConfig config = io::directory_exists(path) ? ModelConfig::load(path)
                                                  : ModelConfig::parse(io::read_file(path), path);
  if (arguments.layers) config = cut_layers(config, *arguments.layers);
  if (arguments.dense_layers) config.first_k_dense_replace = *arguments.dense_layers;
  if (arguments.no_mtp) config.num_nextn_predict_layers = 0;
  // Once more through the parser, which knows what fits together.
  return ModelConfig::parse(config.to_json(), path + " as changed by the flags");
}

void run(Arguments& arguments) {
  const ModelConfig config = read_config(arguments);
  SynthOptions& options = arguments.options;
  options.fp8 = arguments.dtype == "fp8";
  options.threads = arguments.threads > 0 ? arguments.threads : available_processors();

  const auto start = std::chrono::steady_clock::now();
  SynthSummary summary;
  {
    ProgressBar bar("writing");
    options.progress = [&](uint64_t done, uint64_t total) { bar.update(done, total); };
    summary = synth_checkpoint(config, arguments.dir, options);
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  fmt::print("{}: {} {} in {} {}, {:.1f} s\n", arguments.dir, human_bytes(summary.bytes),
             options.sparse ? "of holes" : "of random weights", summary.shards,
             summary.shards == 1 ? "shard" : "shards", seconds);
  if (!summary.tokenizer) {
    fmt::print("no tokenizer: the vocabulary of {} has no room for one\n", config.vocab_size);
  }
}

}  // namespace

void add_synth(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command =
      app.add_subcommand("synth", "Write a random-weight checkpoint of a DeepSeek-V3 config");
  command->add_option("CONFIG", arguments->config, "config.json, or a directory that holds one")
      ->required();
  command->add_option("DST", arguments->dir, "Directory to write; created where needed")
      ->required();
  command
      ->add_option("--layers", arguments->layers,
                   "Keep this many layers, one of them MoE at least where the config has any")
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--dense-layers", arguments->dense_layers,
                   "How many of them are dense (first_k_dense_replace)")
      ->check(CLI::NonNegativeNumber);
  command->add_flag("--no-mtp", arguments->no_mtp, "Leave out the MTP layers");
  command->add_option("--dtype", arguments->dtype, "fp8 (as published) or bf16")
      ->check(CLI::IsMember({"fp8", "bf16"}))
      ->capture_default_str();
  command->add_option("--seed", arguments->options.seed, "Seed of the weights")
      ->capture_default_str();
  command->add_flag("--sparse", arguments->options.sparse,
                    "Write headers and holes only: all weights read as zero and take no disk");
  command->add_option("--tokenizer", arguments->options.tokenizer_dir,
                      "Copy the tokenizer of this directory instead of a byte-level one");
  command
      ->add_option("--shard-bytes", arguments->options.shard_bytes, "Begin a new shard past this")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--threads", arguments->threads, "Default: all processors")
      ->check(CLI::PositiveNumber);
  command->callback([arguments] { run(*arguments); });
}

}  // namespace fathom::cli
