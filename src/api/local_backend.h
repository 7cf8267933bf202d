// Answers from an engine in this process.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "api/backend.h"
#include "api/grammars.h"
#include "api/local_answer.h"
#include "api/prompt.h"
#include "engine/engine.h"

namespace fathom::api {

struct LocalBackendOptions {
  std::string name;                            ///< of the checkpoint, for people
  std::string fingerprint;                     ///< of the weights
  int64_t context_length = 65536;              ///< prompt and answer together, at most the model's
  bool speculation = false;                    ///< whether the engine speculates
  std::vector<int32_t> stop_ids;               ///< each ends an answer
  int64_t vocab_size = 0;                      ///< the model's
  std::chrono::seconds time_limit{1800};       ///< of an answer
  std::function<double()> weights_moved = {};  ///< see BackendStats; empty: nothing moves
};

class LocalBackend final : public Backend {
 public:
  /// `engine` must outlive this and every answer.
  LocalBackend(Engine& engine, std::shared_ptr<const text::Tokenizer> tokenizer,
               LocalBackendOptions options);

  const ModelInfo& info() const override { return info_; }
  std::unique_ptr<Answer> chat(const ChatRequest& request, const RequestContext& context) override;
  std::unique_ptr<Answer> complete(const CompletionRequest& request,
                                   const RequestContext& context) override;
  std::vector<int32_t> tokenize(std::string_view text) override;
  std::vector<int32_t> tokenize_chat(const ChatRequest& request) override;
  BackendStats stats() const override;
  bool counts_tokens() const override { return true; }
  bool after_rounds(std::function<void()> then) override;

 private:
  LocalAnswerPlan plan(Prompt prompt, const GenerationFields& fields, const RequestContext& context,
                       const char* where) const;

  Engine& engine_;
  std::shared_ptr<const text::Tokenizer> tokenizer_;
  const LocalBackendOptions options_;
  PromptBuilder prompts_;
  Grammars grammars_;
  ModelInfo info_;
};

}  // namespace fathom::api
