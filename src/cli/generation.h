// One answer, from ids to streamed text.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/local_session.h"
#include "engine/engine.h"

namespace fathom::cli {

struct GenerationRequest {
  std::vector<int32_t> prompt;
  int64_t max_tokens = 128;
  SamplingParams sampling;
  std::vector<int32_t> stop_ids;
  bool speculate = true;
};

struct Generation {
  std::vector<int32_t> ids;  // the new ones; a stop id is not among them
  std::string text;          // empty without a tokenizer
  FinishReason reason = FinishReason::kStop;
  Usage usage;

  /// Of the tokens after the first.
  double tokens_per_second() const;
};

/// Runs the request to its end, the model's context at the latest. `on_text` gets each piece of
/// text as it comes, on the caller's thread. Setting `*interrupted` ends it with kCancelled and
/// what there is. Throws Error for what the engine refuses and for what ends the request with one.
Generation generate(LocalSession& session, const GenerationRequest& request,
                    const std::function<void(std::string_view)>& on_text,
                    const std::atomic<bool>& interrupted);

/// "stop", "length", ...: the API's words.
std::string_view finish_reason_name(FinishReason reason);

/// While it lives, Ctrl-C sets the flag instead of ending the program.
class InterruptScope {
 public:
  InterruptScope();
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;
  const std::atomic<bool>& flag() const;
  void clear();

 private:
  void (*previous_)(int);
};

}  // namespace fathom::cli
