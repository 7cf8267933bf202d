// fathom bench --speculation: what the MTP layer's drafts are worth, by kind of text.
#pragma once

#include <cstdint>

#include "cli/model_options.h"

namespace fathom::cli {

struct SpeculationBenchCommand {
  int64_t tokens = 400;
  int64_t rounds = 12;
};

/// Adds --speculation and the flags that go with it. `on`: whether it was given.
void add_speculation_bench_options(CLI::App& command, SpeculationBenchCommand& options, bool& on);

/// Continues a text of each kind with drafts and without, in turns on one engine, and prints what
/// share of drafts was kept and both speeds. Drafts must not change an answer: it checks.
void run_speculation_bench(const ModelOptions& model, const SpeculationBenchCommand& options,
                           bool json);

}  // namespace fathom::cli
