// Answers from another server that speaks OpenAI's API: SGLang, LMDeploy, TensorRT-LLM, MindIE,
// vLLM, DeepSeek's own service, or a fathom.
#pragma once

#include <memory>
#include <string>

#include "api/backend.h"
#include "text/tokenizer.h"

namespace fathom::api {

struct UpstreamOptions {
  std::string url;                 ///< "http://host:8000/v1"
  std::string kind;                ///< a dialect's name; empty: by the owner of its models
  std::string model;               ///< its name there; empty: the only one that it has
  std::string key;                 ///< for its Authorization header; may be empty
  std::string authorities;         ///< PEM file of whom to trust for https; empty: the system's
  int64_t context_length = 65536;  ///< less if the server says so
  std::chrono::seconds connect_time{10};
  std::chrono::seconds silence_time{600};  ///< the longest that it may send nothing
  std::chrono::seconds time_limit{1800};   ///< of an answer
};

class UpstreamBackend final : public Backend {
 public:
  /// Asks the server for its models, unless kind and model are both given. `tokenizer`, the
  /// model's, may be null: prompts are then estimated until the server has counted them, and
  /// nothing is tokenized. Throws Error: kUsage for a wrong address or kind, or a model that must
  /// be named; kIo when nobody answers.
  UpstreamBackend(UpstreamOptions options, std::shared_ptr<const text::Tokenizer> tokenizer);
  /// Every answer must be gone.
  ~UpstreamBackend() override;

  const ModelInfo& info() const override;
  std::unique_ptr<Answer> chat(const ChatRequest& request, const RequestContext& context) override;
  std::unique_ptr<Answer> complete(const CompletionRequest& request,
                                   const RequestContext& context) override;
  /// Throw ApiError 400 without a tokenizer.
  std::vector<int32_t> tokenize(std::string_view text) override;
  std::vector<int32_t> tokenize_chat(const ChatRequest& request) override;
  BackendStats stats() const override;
  /// An answer ends where we stop reading it.
  bool counts_tokens() const override { return true; }

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fathom::api
