// A model, its tokenizer and an engine on it, opened together.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/model_options.h"
#include "engine/local_engine.h"
#include "text/tokenizer.h"

namespace fathom::cli {

struct LocalSession {
  std::string dir;
  std::unique_ptr<Transformer> model;
  std::unique_ptr<LocalEngine> engine;               // after the model, which it uses
  std::shared_ptr<const text::Tokenizer> tokenizer;  // null where the directory has none

  /// The tokenizer, or Error(kNotFound) naming the file.
  const text::Tokenizer& need_tokenizer() const;
  /// Ids that end an answer.
  std::vector<int32_t> stop_ids() const;
};

/// Opens all. `context`: tokens of cache that must fit the memory.
LocalSession open_session(const ModelOptions& options, int64_t context);

/// Adds --temperature, --top-p, --top-k, --min-p, --frequency-penalty, --presence-penalty, --seed.
void add_sampling_options(CLI::App& command, SamplingParams& params);

}  // namespace fathom::cli
