// What answers requests: the engine in this process, or another server. The service in front of it
// (HTTP, streaming, the ledger) is the same for both.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/chat_request.h"
#include "api/completion_request.h"
#include "engine/engine.h"
#include "text/tool_calls.h"

namespace fathom::api {

/// One token of the answer as its bytes, which need not be whole characters.
struct TextLogprob {
  std::string token;
  float logprob = 0;
  std::vector<std::pair<std::string, float>> top;
};

/// What the context cache had of a prompt, in tokens. hit + miss is the prompt.
struct PromptUse {
  int64_t hit = 0;
  int64_t miss = 0;
};

/// The API's word for the end of an answer that could not go on.
inline constexpr const char* kCutShort = "insufficient_system_resource";

/// The next part of one choice, or its end.
struct AnswerEvent {
  int choice = 0;
  std::string text;
  std::string reasoning;  ///< of models that think before they answer
  std::vector<text::ToolCallDelta> calls;
  std::vector<TextLogprob> logprobs;
  int64_t tokens = 0;         ///< output tokens that this part stands for
  std::string finish_reason;  ///< the API's word; empty while the choice goes on
  /// Told once, as soon as it is known.
  std::optional<PromptUse> prompt = std::nullopt;
};

/// How an answer ended. `completion` and what follows are sums over the choices.
struct AnswerResult {
  int64_t prompt_hit = 0;
  int64_t prompt_miss = 0;
  int64_t completion = 0;
  int64_t draft_tokens = 0;
  int64_t accepted_tokens = 0;
  std::exception_ptr error;  ///< nothing more came after it; the tokens above were made
  bool timed_out = false;    ///< the deadline was met
};

/// Where an answer's events go. Thread-safe, never blocks.
class AnswerReceiver {
 public:
  virtual ~AnswerReceiver() = default;
  virtual void push(AnswerEvent event) = 0;
  /// The last call, exactly once for an answer that was started.
  virtual void close(AnswerResult result) = 0;
};

/// One request on its way. Destroying it cancels it.
class Answer {
 public:
  virtual ~Answer() = default;
  /// Tokens of the prompt, or a bound above them where the backend has no tokenizer.
  virtual int64_t prompt_tokens() const = 0;
  /// The most tokens of output that a choice may have.
  virtual int64_t max_tokens() const = 0;
  /// Begins. Throws ApiError when the backend has no room; then nothing is ever pushed.
  virtual void start(std::shared_ptr<AnswerReceiver> receiver) = 0;
  /// Ends it soon; close() still comes.
  virtual void cancel() = 0;
  /// After close(): keeps what the conversation's next request can use. Takes time in proportion to
  /// the text.
  virtual void keep() {}
};

struct BackendStats {
  int64_t running = 0;
  int64_t waiting = 0;
  double kv_cache_usage = 0;
  double weights_moved = 1;  ///< share of the weights that lie where they are read fastest
};

struct ModelInfo {
  std::string name;  ///< of the checkpoint or the upstream, for people
  int64_t context_length = 0;
  int64_t max_tokens = 0;      ///< the most that a request may ask for
  int64_t default_tokens = 0;  ///< what a request gets that does not say
  bool speculation = false;
  std::string fingerprint;  ///< "fp_..."
};

struct RequestContext {
  std::string id;    ///< of the request, in logs and answers
  std::string user;  ///< requests of one user share a turn
};

/// Thread-safe. The calls that tokenize take time in proportion to the text.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual const ModelInfo& info() const = 0;
  /// Throw ApiError for what the model cannot take.
  virtual std::unique_ptr<Answer> chat(const ChatRequest& request,
                                       const RequestContext& context) = 0;
  virtual std::unique_ptr<Answer> complete(const CompletionRequest& request,
                                           const RequestContext& context) = 0;
  virtual std::vector<int32_t> tokenize(std::string_view text) = 0;
  /// The prompt of a chat as the model reads it.
  virtual std::vector<int32_t> tokenize_chat(const ChatRequest& request) = 0;
  virtual BackendStats stats() const = 0;
  /// Whether answers come to an end at any token, so that a hold can grow with them.
  virtual bool counts_tokens() const = 0;
  /// True: receivers are called in rounds, as a model's steps make them, and `then` is called after
  /// each. False: they are called at any time, and `then` never. Before the first answer.
  virtual bool after_rounds(std::function<void()> /*then*/) { return false; }
};

}  // namespace fathom::api
