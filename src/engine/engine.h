// Token ids in, token ids out. What the API, the terminal and an embedding program stand on.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace fathom {

/// How the next token is drawn. The defaults are the API's.
struct SamplingParams {
  float temperature = 1.0f;  ///< 0: the largest logit, the lowest id among equals
  float top_p = 1.0f;
  int top_k = 0;  ///< 0: all
  float min_p = 0.0f;
  float frequency_penalty = 0.0f;
  float presence_penalty = 0.0f;
  std::vector<std::pair<int32_t, float>> logit_bias = {};
  std::optional<uint64_t> seed = {};  ///< nothing: a fresh one for each request
  int top_logprobs = -1;  ///< -1: no logprobs; 0..20: the chosen one's and this many others
};

/// Restricts which ids may come next. One instance belongs to one sequence. Speculation asks about
/// drafts ahead of time, so the state must be cheap to clone.
class Constraint {
 public:
  virtual ~Constraint() = default;
  virtual std::unique_ptr<Constraint> clone() const = 0;
  /// Sets bit id % 64 of word id / 64 for each allowed id and clears the others.
  virtual void fill_mask(std::span<uint64_t> words) = 0;
  /// Moves past `id`, which must be allowed.
  virtual void advance(int32_t id) = 0;
};

enum class FinishReason {
  kStop,       ///< a stop id, or the sink had enough
  kLength,     ///< max_tokens, or the context is full
  kCancelled,  ///< cancel()
  kDeadline,
  kResource,  ///< the engine could not go on (insufficient_system_resource)
  kError,     ///< see RequestResult::error
};

struct TokenLogprob {
  int32_t id = 0;
  float logprob = 0.0f;
};

/// One generated token, in order. Logprobs are of the distribution before temperature, after bias
/// and penalties; empty unless asked for.
struct GeneratedToken {
  int32_t id = 0;
  float logprob = 0.0f;
  std::vector<TokenLogprob> top;
};

struct Usage {
  int64_t prompt_tokens = 0;
  int64_t cache_hit_tokens = 0;  ///< multiple of 64; hit + miss = prompt
  int64_t cache_miss_tokens = 0;
  int64_t completion_tokens = 0;
  int64_t draft_tokens = 0;     ///< proposed by the MTP layer
  int64_t accepted_tokens = 0;  ///< of these, kept
  double queue_seconds = 0;
  double prefill_seconds = 0;  ///< first scheduled to first token
  double decode_seconds = 0;
};

struct RequestResult {
  FinishReason reason = FinishReason::kStop;
  Usage usage;
  std::string error;
};

/// Receives a request's tokens on the engine's thread: return soon and never block.
class TokenSink {
 public:
  virtual ~TokenSink() = default;
  /// The prompt is computed, but for `cached` tokens that the cache had. At most once, before the
  /// first token.
  virtual void on_prompt(int64_t /*cached*/) {}
  /// False ends the request with kStop; this token counts, later ones are not made.
  virtual bool on_token(const GeneratedToken& token) = 0;
  /// The last call for the request, exactly once.
  virtual void on_finish(const RequestResult& result) = 0;
};

struct Request {
  std::vector<int32_t> prompt;
  int64_t max_tokens = 4096;
  SamplingParams sampling = {};
  /// Each ends the answer with kStop; not reported to the sink, counted in usage.
  std::vector<int32_t> stop_ids = {};
  std::unique_ptr<Constraint> constraint = {};
  std::string user = {};  ///< requests of one user share a turn in the queue
  std::optional<std::chrono::steady_clock::time_point> deadline = {};
  bool use_cache = true;
  bool speculate = true;
};

struct EngineStats {
  int64_t running = 0;
  int64_t waiting = 0;
  int64_t paused = 0;
  double kv_cache_usage = 0;  ///< share of the page budget in use, 0 to 1
  int64_t prompt_tokens = 0;  ///< totals since start
  int64_t cache_hit_tokens = 0;
  int64_t generation_tokens = 0;
  int64_t draft_tokens = 0;
  int64_t accepted_tokens = 0;
  int64_t steps = 0;
  int64_t pauses = 0;  ///< times a sequence gave up its memory or its slot to go on later
};

using RequestId = uint64_t;

/// Thread-safe. Tokens of a request depend on the request alone, never on its neighbours.
class Engine {
 public:
  virtual ~Engine() = default;
  /// Queues the request. Throws Error: kBadInput (empty prompt, ids outside the vocabulary, too
  /// long for the context), kResource (queue full, or can never fit the page budget).
  virtual RequestId submit(Request request, std::shared_ptr<TokenSink> sink) = 0;
  /// Ends it soon with kCancelled; no effect on an id that is unknown or done.
  virtual void cancel(RequestId id) = 0;
  virtual EngineStats stats() const = 0;
  /// Sinks are called in rounds, one or two for each step. `then` is called after each round, on
  /// the engine's thread: what a round made necessary can be done at once. To be set before the
  /// first submit().
  virtual void after_rounds(std::function<void()> then) = 0;
};

}  // namespace fathom
