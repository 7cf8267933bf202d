// Fathom in your own program: a model, its tokenizer and the engine behind one class.
//
// Link libfathom and include nothing else:
//
//     find_package(fathom REQUIRED)
//     target_link_libraries(program PRIVATE fathom::fathom)
//
// This header uses the standard library only and keeps its layout within a major version: structs
// may get new members at their end, nothing else changes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#define FATHOM_EXPORT __attribute__((visibility("default")))

namespace fathom::embed {

/// What went wrong, in one line: where, what was found, what was expected.
class FATHOM_EXPORT Error : public std::runtime_error {
 public:
  enum class Kind { kUsage, kBadInput, kUnsupported, kNotFound, kIo, kResource, kConflict, kOther };
  Error(Kind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  Kind kind() const { return kind_; }

 private:
  Kind kind_;
};

struct EngineOptions {
  std::string numerics = "native";  ///< "native", "exact", "w8a8" or "int8"
  int threads = 0;                  ///< 0: all processors
  /// Bytes of memory for the latent KV of all requests and of the context cache: 0 for as much as
  /// one request of the model's full context needs, and as much again.
  std::size_t kv_bytes = 0;
  std::string cache_dir = {};  ///< of the context cache on disk, for one process; empty: none
  std::size_t cache_disk_bytes = std::size_t{16} << 30;
  int max_running = 64;     ///< requests computed at the same time
  bool speculation = true;  ///< the MTP layer proposes tokens where that is faster
};

struct GenerateOptions {
  std::int64_t max_tokens = 4096;
  float temperature = 1.0f;  ///< 0: the likeliest token
  float top_p = 1.0f;
  int top_k = 0;  ///< 0: all
  float min_p = 0.0f;
  float frequency_penalty = 0.0f;
  float presence_penalty = 0.0f;
  std::optional<std::uint64_t> seed = {};  ///< same seed, same answer
  bool ignore_end = false;                 ///< go on past the model's end of sentence
  bool json_object = false;                ///< the answer is one JSON object
  std::string json_schema = {};            ///< the answer is JSON by this schema
};

struct Answer {
  std::vector<std::int32_t> ids;  ///< without the end of sentence
  std::string text;               ///< empty where the model has no tokenizer
  std::string finish_reason;      ///< "stop", "length" or "cancelled"
  std::int64_t prompt_tokens = 0;
  std::int64_t cached_tokens = 0;  ///< of the prompt, not computed again
  double prefill_seconds = 0;
  double decode_seconds = 0;
};

struct Message {
  std::string role;  ///< "system", "user", "assistant"
  std::string content;
};

/// All members are thread-safe; requests of several threads are computed together. An answer
/// depends on its request alone, never on the others.
class FATHOM_EXPORT Engine {
 public:
  /// Opens a checkpoint directory as published: config.json, safetensors, tokenizer.json. Throws
  /// Error.
  explicit Engine(const std::string& model_dir, const EngineOptions& options = {});
  /// Ends what is under way as "cancelled".
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  std::int64_t vocab_size() const;
  std::int64_t context() const;  ///< tokens of prompt and answer at most

  /// Text to ids, begin of sentence not added; and back. Throws Error(kNotFound) without a
  /// tokenizer.
  std::vector<std::int32_t> encode(std::string_view text) const;
  std::string decode(const std::vector<std::int32_t>& ids) const;
  /// A conversation to the ids after which the assistant's next message comes, by the model's chat
  /// template.
  std::vector<std::int32_t> encode_chat(const std::vector<Message>& messages) const;

  /// Receives a token and the text that it completes, on a thread of the engine's: return soon.
  /// False ends the answer with "stop"; this token counts.
  using OnToken = std::function<bool(std::int32_t id, std::string_view text)>;

  /// Answers and returns when it is done. Throws Error for what cannot be answered.
  Answer generate(const std::vector<std::int32_t>& prompt, const GenerateOptions& options = {},
                  const OnToken& on_token = nullptr);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fathom::embed
