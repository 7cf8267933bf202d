#include "cli/model_options.h"

#include <algorithm>
#include <utility>

#include <CLI/CLI.hpp>

#include "base/error.h"
#include "checkpoint/checkpoint_dir.h"
#include "cli/default_model.h"
#include "cli/memory_check.h"
#include "cli/progress_bar.h"
#include "weights/weight_mover.h"

namespace fathom::cli {

void add_model_options(CLI::App& command, ModelOptions& options) {
  command.add_option("DIR", options.dir, "Checkpoint directory (default: the embedded model)");
  command
      .add_option("--numerics", options.numerics,
                  "How to compute: native, exact, w8a8; int8: faster and less exact, weights are "
                  "regrouped before the first token")
      ->capture_default_str();
  command.add_option("--threads", options.threads, "Threads (default: all processors)")
      ->check(CLI::Range(1, 1024));
  command.add_flag("--allow-paging", options.allow_paging,
                   "Run a model larger than the memory, from disk");
  command.add_flag("--mapped", options.mapped,
                   "Leave the weights in the mapped files: slower, and shared between processes");
}

std::string model_dir(const ModelOptions& options) {
  return options.dir.empty() ? default_model_dir() : options.dir;
}

std::unique_ptr<Transformer> open_model(const ModelOptions& options, int64_t context) {
  const auto numerics = parse_numerics(options.numerics);
  if (!numerics) {
    fail(ErrorKind::kUsage, "--numerics {}: expected {}", options.numerics, numerics_names());
  }
  if (*numerics == Numerics::kInt8 && (options.mapped || options.allow_paging)) {
    fail(ErrorKind::kUsage, "--numerics int8: regroups the weights in memory, so not with {}",
         options.mapped ? "--mapped" : "--allow-paging");
  }
  Checkpoint checkpoint = Checkpoint::open(model_dir(options));
  context = std::min(context, checkpoint.config().max_position_embeddings);
  const MemoryNeed need = memory_need(checkpoint, *numerics, context);
  const uint64_t available = memory_available();
  if (need.total() > available && !options.allow_paging) {
    fail(ErrorKind::kResource,
         "{}: needs {} of memory ({} weights, {} cache for {} tokens), {} available{}",
         checkpoint.dir(), human_bytes(need.total()), human_bytes(need.weights),
         human_bytes(need.cache), context, human_bytes(available),
         *numerics == Numerics::kInt8 ? "" : "; --allow-paging runs it from disk");
  }
  TransformerOptions how;
  how.numerics = *numerics;
  how.threads = options.threads;
  const uint64_t moved = need.total() + WeightMover::kPending;
  how.move_weights = !options.mapped && moved <= available;
  ModelWeights weights = ModelWeights::load(std::move(checkpoint));
  if (moved + WeightMover::outlines_bytes(weights) > available) {
    how.outlined_weights = WeightMover::kNoOutlines;
  }
  if (how.numerics != Numerics::kInt8) {
    return std::make_unique<Transformer>(std::move(weights), how);
  }
  ProgressBar bar("regrouping weights as int8");
  how.on_regroup = [&bar](uint64_t done, uint64_t total) { bar.update(done, total); };
  return std::make_unique<Transformer>(std::move(weights), how);
}

}  // namespace fathom::cli
