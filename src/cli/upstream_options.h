// The flags of `fathom serve --upstream`.
#pragma once

#include <memory>
#include <string>

#include "api/upstream/upstream_backend.h"

namespace CLI {
class App;
}

namespace fathom::cli {

struct UpstreamFlags {
  api::UpstreamOptions options;  ///< its key is read from where the next two say
  std::string key_file;
  std::string key_variable;
  int64_t timeout = 600;  // seconds

  bool given() const { return !options.url.empty(); }
};

void add_upstream_options(CLI::App& command, UpstreamFlags& flags);

/// Refuses, by name, flags that have no meaning together: those of a local engine with --upstream,
/// and those of --upstream without it. Throws Error(kUsage).
void check_upstream_options(const CLI::App& command, const UpstreamFlags& flags);

/// The backend, with `tokenizer_dir`'s tokenizer unless that is empty. Throws as UpstreamBackend
/// and Tokenizer::load do; kNotFound for a key that is not there.
std::unique_ptr<api::UpstreamBackend> open_upstream(const UpstreamFlags& flags,
                                                    const std::string& tokenizer_dir);

}  // namespace fathom::cli
