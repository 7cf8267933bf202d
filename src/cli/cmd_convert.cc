// fathom convert: FP8 to BF16, and back.
#include <fmt/format.h>

#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "base/processors.h"
#include "checkpoint/checkpoint_dir.h"
#include "checkpoint/convert.h"
#include "cli/commands.h"
#include "cli/progress_bar.h"

namespace fathom::cli {
namespace {

struct Arguments {
  std::string source, target, to;
  int threads = 0;
};

void run(const Arguments& arguments) {
  ConvertOptions options;
  options.to = arguments.to == "bf16" ? DType::kBF16 : DType::kF8E4M3;
  options.threads = arguments.threads > 0 ? arguments.threads : available_processors();
  ConvertSummary summary;
  {
    ProgressBar bar("converting");
    options.progress = [&](uint64_t done, uint64_t total) { bar.update(done, total); };
    summary = convert_checkpoint(arguments.source, arguments.target, options);
  }
  fmt::print("{}: {} in {} {}", arguments.target, human_bytes(summary.bytes), summary.shards,
             summary.shards == 1 ? "shard" : "shards");
  if (summary.kept > 0) fmt::print(", {} kept from an earlier run", summary.kept);
  fmt::print("\n");
}

}  // namespace

void add_convert(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command =
      app.add_subcommand("convert", "Convert a checkpoint from FP8 to BF16, or back");
  command->add_option("SRC", arguments->source, "Checkpoint directory")->required();
  command->add_option("DST", arguments->target, "Directory to write; created where needed")
      ->required();
  command->add_option("--to", arguments->to, "bf16 or fp8")
      ->required()
      ->check(CLI::IsMember({"bf16", "fp8"}));
  command->add_option("--threads", arguments->threads, "Default: all processors")
      ->check(CLI::PositiveNumber);
  command->callback([arguments] { run(*arguments); });
}

}  // namespace fathom::cli
