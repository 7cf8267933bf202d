#include <fathom/engine.h>

#include <condition_variable>
#include <map>
#include <mutex>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "engine/grammar/grammar.h"
#include "engine/local_engine.h"
#include "io/file_system.h"
#include "model/transformer.h"
#include "text/chat_template.h"
#include "text/detokenizer.h"
#include "text/stop_ids.h"
#include "text/tokenizer.h"

namespace fathom::embed {
namespace {

constexpr size_t kKeptGrammars = 32;

Error::Kind kind_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kUsage:
      return Error::Kind::kUsage;
    case ErrorKind::kBadInput:
      return Error::Kind::kBadInput;
    case ErrorKind::kUnsupported:
      return Error::Kind::kUnsupported;
    case ErrorKind::kNotFound:
      return Error::Kind::kNotFound;
    case ErrorKind::kIo:
      return Error::Kind::kIo;
    case ErrorKind::kResource:
      return Error::Kind::kResource;
    case ErrorKind::kConflict:
      return Error::Kind::kConflict;
    case ErrorKind::kCancelled:
      return Error::Kind::kOther;
  }
  return Error::Kind::kOther;
}

// Our own exceptions stay inside the library.
template <typename Body>
auto translated(Body body) {
  try {
    return body();
  } catch (const fathom::Error& error) {
    throw Error(kind_of(error.kind()), error.what());
  } catch (const std::bad_alloc&) {
    throw Error(Error::Kind::kResource, "out of memory");
  }
}

std::string reason_name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    default:
      return "cancelled";
  }
}

/// Collects an answer on the engine's thread; the caller waits for its end.
class Collector final : public TokenSink {
 public:
  Collector(std::shared_ptr<const text::Tokenizer> tokenizer, Engine::OnToken on_token)
      : on_token_(std::move(on_token)) {
    if (tokenizer) detokenizer_.emplace(std::move(tokenizer), true);
  }

  bool on_token(const GeneratedToken& token) override {
    const std::string piece = detokenizer_ ? detokenizer_->push(token.id) : std::string();
    answer_.ids.push_back(token.id);
    answer_.text += piece;
    return !on_token_ || on_token_(token.id, piece);
  }

  void on_finish(const RequestResult& result) override {
    if (detokenizer_) answer_.text += detokenizer_->finish();
    std::lock_guard lock(mutex_);
    result_ = result;
    finished_.notify_all();
  }

  Answer wait() {
    std::unique_lock lock(mutex_);
    finished_.wait(lock, [&] { return result_.has_value(); });
    if (result_->reason == FinishReason::kError) fail(ErrorKind::kBadInput, "{}", result_->error);
    if (result_->reason == FinishReason::kResource) {
      fail(ErrorKind::kResource, "{}", result_->error);
    }
    answer_.finish_reason = reason_name(result_->reason);
    answer_.prompt_tokens = result_->usage.prompt_tokens;
    answer_.cached_tokens = result_->usage.cache_hit_tokens;
    answer_.prefill_seconds = result_->usage.prefill_seconds;
    answer_.decode_seconds = result_->usage.decode_seconds;
    return std::move(answer_);
  }

 private:
  const Engine::OnToken on_token_;
  std::optional<text::Detokenizer> detokenizer_;
  Answer answer_;
  std::mutex mutex_;
  std::condition_variable finished_;
  std::optional<RequestResult> result_;
};

LocalEngineOptions local_options(const EngineOptions& options, const LanguageModel& model) {
  LocalEngineOptions local;
  const int64_t pages = model.config().max_position_embeddings / kPageTokens + 2;
  const size_t one_request = static_cast<size_t>(pages) * (model.page_bytes() + 64);
  local.kv_bytes = options.kv_bytes > 0 ? options.kv_bytes : 2 * one_request;
  local.max_running = options.max_running;
  local.speculation = options.speculation;
  local.cache.directory = options.cache_dir;
  local.cache.disk.budget_bytes = options.cache_disk_bytes;
  return local;
}

Transformer open(const std::string& dir, const EngineOptions& options) {
  const auto numerics = parse_numerics(options.numerics);
  if (!numerics) {
    fail(ErrorKind::kUsage, "numerics: {}, expected {}", options.numerics, numerics_names());
  }
  TransformerOptions how;
  how.numerics = *numerics;
  how.threads = options.threads;
  return Transformer(ModelWeights::load(Checkpoint::open(dir)), how);
}

}  // namespace

struct Engine::State {
  State(const std::string& dir, const EngineOptions& options)
      : model(open(dir, options)), engine(model, local_options(options, model)) {
    if (io::file_exists(io::join(dir, "tokenizer.json"))) tokenizer = text::Tokenizer::load(dir);
  }

  const text::Tokenizer& need_tokenizer() const {
    if (!tokenizer) fail(ErrorKind::kNotFound, "the model has no tokenizer.json");
    return *tokenizer;
  }

  std::vector<int32_t> stop_ids() const {
    const ModelConfig& config = model.config();
    return text::stop_ids(config.eos_token_id, tokenizer.get(), config.vocab_size);
  }

  std::unique_ptr<Constraint> constraint(const GenerateOptions& options) {
    if (!options.json_object && options.json_schema.empty()) return nullptr;
    if (options.json_object && !options.json_schema.empty()) {
      fail(ErrorKind::kUsage, "json_object and json_schema: expected one of them");
    }
    std::lock_guard lock(mutex);
    if (!vocabulary) {
      std::vector<std::string> tokens(static_cast<size_t>(model.config().vocab_size));
      for (int32_t id = 0; id < std::ssize(tokens) && id < need_tokenizer().vocab_size(); ++id) {
        if (!tokenizer->is_added(id)) tokens[id] = tokenizer->token_bytes(id);
      }
      vocabulary = std::make_shared<const Vocabulary>(tokens, stop_ids());
    }
    if (grammars.size() >= kKeptGrammars) grammars.clear();
    Grammar::Ptr& grammar = grammars[options.json_schema];
    if (!grammar) {
      grammar = options.json_object ? Grammar::json_object(vocabulary)
                                    : Grammar::json_schema(options.json_schema, vocabulary);
    }
    return grammar->new_constraint();
  }

  Transformer model;
  std::shared_ptr<const text::Tokenizer> tokenizer;
  std::mutex mutex;  // of the next two
  std::shared_ptr<const Vocabulary> vocabulary;
  std::map<std::string, Grammar::Ptr> grammars;  // by schema; the empty one is any object
  LocalEngine engine;
};

Engine::Engine(const std::string& model_dir, const EngineOptions& options)
    : state_(translated([&] { return std::make_unique<State>(model_dir, options); })) {}
Engine::~Engine() = default;

std::int64_t Engine::vocab_size() const { return state_->model.config().vocab_size; }
std::int64_t Engine::context() const { return state_->model.config().max_position_embeddings; }

std::vector<std::int32_t> Engine::encode(std::string_view text) const {
  return translated([&] { return state_->need_tokenizer().encode(text); });
}

std::string Engine::decode(const std::vector<std::int32_t>& ids) const {
  return translated([&] { return state_->need_tokenizer().decode(ids); });
}

std::vector<std::int32_t> Engine::encode_chat(const std::vector<Message>& messages) const {
  return translated([&] {
    const text::ChatTemplate chat_template(state_->need_tokenizer());
    auto list = nlohmann::ordered_json::array();
    for (const Message& m : messages) list.push_back({{"role", m.role}, {"content", m.content}});
    return state_->tokenizer->encode(chat_template.render(list, nullptr, true));
  });
}

Answer Engine::generate(const std::vector<std::int32_t>& prompt, const GenerateOptions& options,
                        const OnToken& on_token) {
  return translated([&] {
    const auto collector = std::make_shared<Collector>(state_->tokenizer, on_token);
    Request request{.prompt = prompt,
                    .max_tokens = options.max_tokens,
                    .sampling = {.temperature = options.temperature,
                                 .top_p = options.top_p,
                                 .top_k = options.top_k,
                                 .min_p = options.min_p,
                                 .frequency_penalty = options.frequency_penalty,
                                 .presence_penalty = options.presence_penalty,
                                 .seed = options.seed}};
    if (!options.ignore_end) request.stop_ids = state_->stop_ids();
    request.constraint = state_->constraint(options);
    state_->engine.submit(std::move(request), collector);
    return collector->wait();
  });
}

}  // namespace fathom::embed
