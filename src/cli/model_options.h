// The flags that every command with a model takes, and what they open.
#pragma once

#include <memory>
#include <string>

#include "model/transformer.h"

namespace CLI {
class App;
}

namespace fathom::cli {

struct ModelOptions {
  std::string dir;  // empty: the default model
  std::string numerics = "native";
  int threads = 0;
  bool allow_paging = false;
  bool mapped = false;  // leave the weights where they are mapped
};

/// Adds DIR, --numerics, --threads, --allow-paging and --mapped to a command.
void add_model_options(CLI::App& command, ModelOptions& options);

/// The directory that the options name.
std::string model_dir(const ModelOptions& options);

/// Opens the checkpoint. Before it touches a weight it compares what the model needs with what the
/// machine has, and throws Error(kResource) with both figures unless allow_paging.
/// `context` tokens of cache count as needed, the model's own context at most.
std::unique_ptr<Transformer> open_model(const ModelOptions& options, int64_t context);

}  // namespace fathom::cli
