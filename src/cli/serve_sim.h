// fathom bench --serve-sim: a service's load without HTTP.
#pragma once

#include <cstdint>

#include "cli/model_options.h"
#include "engine/serve_sim.h"

namespace fathom::cli {

struct ServeSimCommand {
  engine::ServeSimOptions load;
  int64_t max_running = 64;
  double kv_gigabytes = 4;
  bool speculate = true;
};

/// Adds --serve-sim and the flags that go with it. `on`: whether it was given.
void add_serve_sim_options(CLI::App& command, ServeSimCommand& options, bool& on);

/// Runs the simulation on the model and prints what came of it.
void run_serve_sim(const ModelOptions& model, const ServeSimCommand& options, bool json);

}  // namespace fathom::cli
