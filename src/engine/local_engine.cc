#include "engine/local_engine.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "base/error.h"
#include "base/worker_thread.h"

namespace fathom {
namespace {

using engine::Sequence;

// How long to wait before looking again when nothing can be computed but something is under way.
constexpr auto kPatience = std::chrono::milliseconds(20);

uint64_t random_seed() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

void check_range(const char* name, double value, double least, double most) {
  if (!(value >= least && value <= most)) {
    fail(ErrorKind::kBadInput, "{}: {}, expected {} to {}", name, value, least, most);
  }
}

void check_sampling(const SamplingParams& params, int64_t vocab_size) {
  constexpr double kAny = 1e30;
  check_range("temperature", params.temperature, 0, kAny);
  check_range("top_p", params.top_p, 0, 1);
  check_range("top_k", params.top_k, 0, kAny);
  check_range("min_p", params.min_p, 0, 1);
  check_range("frequency_penalty", params.frequency_penalty, -kAny, kAny);
  check_range("presence_penalty", params.presence_penalty, -kAny, kAny);
  check_range("top_logprobs", params.top_logprobs, -1, 20);
  for (const auto& [id, bias] : params.logit_bias) {
    check_range("logit_bias: id", id, 0, static_cast<double>(vocab_size - 1));
    check_range("logit_bias", bias, -kAny, kAny);
  }
}

}  // namespace

LocalEngine::LocalEngine(LanguageModel& model, LocalEngineOptions options)
    : model_(model),
      options_([&] {
        if (options.own_thread) options.cache.on_loaded = [this] { wake(); };
        return std::move(options);
      }()),
      clock_(options_.clock != nullptr ? *options_.clock : default_clock_),
      pool_(model.page_bytes(), options_.kv_bytes),
      cache_(pool_, model.page_origin(), options_.cache),
      memory_(pool_, cache_),
      budget_(options_.step),
      policy_(options_.speculation && model.has_mtp() ? options_.max_drafts : 0),
      prefill_(model, clock_),
      scheduler_(memory_, budget_, prefill_, options_.max_running),
      runner_(model, memory_, budget_, prefill_, policy_, clock_),
      seeds_(random_seed()) {
  if (options_.own_thread) thread_ = worker_thread([this] { work(); });
}

LocalEngine::~LocalEngine() {
  if (thread_.joinable()) {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  take_inbox();
  scheduler_.finish_all(FinishReason::kCancelled);
  deliver_finished();
}

int64_t LocalEngine::limit_of(const Request& request) const {
  const auto prompt = std::ssize(request.prompt);
  const int64_t context = model_.config().max_position_embeddings;
  return prompt + std::min(request.max_tokens, context - prompt);
}

void LocalEngine::check(const Request& request) const {
  const ModelConfig& config = model_.config();
  const auto prompt = std::ssize(request.prompt);
  if (prompt == 0) fail(ErrorKind::kBadInput, "prompt: empty");
  if (request.max_tokens < 1) {
    fail(ErrorKind::kBadInput, "max_tokens: {}, expected at least 1", request.max_tokens);
  }
  if (prompt >= config.max_position_embeddings) {
    fail(ErrorKind::kBadInput, "prompt: {} tokens, expected fewer than the context of {}", prompt,
         config.max_position_embeddings);
  }
  for (int32_t id : request.prompt) {
    if (id < 0 || id >= config.vocab_size) {
      fail(ErrorKind::kBadInput, "prompt: id {}, expected 0 to {}", id, config.vocab_size - 1);
    }
  }
  check_sampling(request.sampling, config.vocab_size);
  // The last token's own KV is never needed.
  const int64_t pages = (limit_of(request) - 1 + kPageTokens - 1) / kPageTokens;
  if (pages > pool_.capacity()) {
    fail(ErrorKind::kResource,
         "the request needs {} KV pages for {} tokens of prompt and up to {} more, and all memory "
         "for "
         "KV is {} pages",
         pages, prompt, request.max_tokens, pool_.capacity());
  }
}

RequestId LocalEngine::submit(Request request, std::shared_ptr<TokenSink> sink) {
  FATHOM_CHECK(sink != nullptr);
  check(request);
  auto sequence = std::make_unique<Sequence>();
  sequence->limit = limit_of(request);
  sequence->tokens = request.prompt;
  sequence->usage.prompt_tokens = std::ssize(request.prompt);
  sequence->request = std::move(request);
  sequence->sink = std::move(sink);
  sequence->arrived = clock_.now();
  RequestId id;
  {
    std::lock_guard lock(mutex_);
    if (stats_.waiting + std::ssize(inbox_) >= options_.max_waiting) {
      fail(ErrorKind::kResource, "the queue is full: {} requests wait", options_.max_waiting);
    }
    id = sequence->id = next_id_++;
    sequence->seed = sequence->request.sampling.seed.value_or(seeds_.next());
    inbox_.push_back(std::move(sequence));
    woken_ = true;
  }
  changed_.notify_all();
  return id;
}

void LocalEngine::cancel(RequestId id) {
  {
    std::lock_guard lock(mutex_);
    cancels_.push_back(id);
    woken_ = true;
  }
  changed_.notify_all();
}

EngineStats LocalEngine::stats() const {
  std::lock_guard lock(mutex_);
  EngineStats stats = stats_;
  stats.waiting += std::ssize(inbox_);
  return stats;
}

void LocalEngine::wake() {
  {
    std::lock_guard lock(mutex_);
    woken_ = true;
  }
  changed_.notify_all();
}

void LocalEngine::work() {
  for (;;) {
    const bool computed = step();
    std::unique_lock lock(mutex_);
    if (stop_) return;
    if (!computed) {
      const auto ready = [&] { return stop_ || woken_; };
      if (stats_.running + stats_.waiting > 0) {
        changed_.wait_for(lock, kPatience, ready);
      } else {
        changed_.wait(lock, ready);
      }
    }
    woken_ = false;
  }
}

void LocalEngine::take_inbox() {
  std::vector<std::unique_ptr<Sequence>> arrived;
  std::vector<RequestId> cancelled;
  {
    std::lock_guard lock(mutex_);
    arrived.swap(inbox_);
    cancelled.swap(cancels_);
    stats_.waiting += std::ssize(arrived);
  }
  for (auto& sequence : arrived) {
    sequence->drafts_allowed = sequence->request.speculate && policy_.should_track();
    scheduler_.add(std::move(sequence));
  }
  for (RequestId id : cancelled) scheduler_.cancel(id);
}

bool LocalEngine::step() {
  take_inbox();
  const engine::StepReport report = runner_.run(scheduler_.plan(clock_.now()));
  totals_.steps += report.computed;
  totals_.generation_tokens += report.new_tokens;
  totals_.draft_tokens += report.proposed;
  totals_.accepted_tokens += report.kept;
  deliver_finished();
  publish_stats();
  return report.computed;
}

void LocalEngine::deliver_finished() {
  const engine::Time now = clock_.now();
  const auto finished = scheduler_.take_finished();
  for (const auto& sequence : finished) {
    Usage& usage = sequence->usage;
    usage.cache_miss_tokens = usage.prompt_tokens - usage.cache_hit_tokens;
    const bool began = sequence->admitted != engine::Time{};
    const bool answered = usage.completion_tokens > 0;
    const engine::Time admitted = began ? sequence->admitted : now;
    const engine::Time first = answered ? sequence->first_token : now;
    usage.queue_seconds = engine::seconds_between(sequence->arrived, admitted);
    usage.prefill_seconds = engine::seconds_between(admitted, first);
    usage.decode_seconds = engine::seconds_between(first, now);
    if (answered) {
      totals_.prompt_tokens += usage.prompt_tokens;
      totals_.cache_hit_tokens += usage.cache_hit_tokens;
    }
    sequence->result->usage = usage;
    try {
      sequence->sink->on_finish(*sequence->result);
    } catch (const std::exception& error) {
      spdlog::error("request {}: its sink threw at the end: {}", sequence->id, error.what());
    }
  }
  if (!finished.empty()) runner_.end_round();
}

void LocalEngine::publish_stats() {
  totals_.running = scheduler_.running();
  totals_.waiting = scheduler_.waiting();
  totals_.paused = scheduler_.paused();
  totals_.pauses = scheduler_.pauses();
  const auto capacity = static_cast<double>(pool_.capacity());
  totals_.kv_cache_usage = 1.0 - static_cast<double>(cache_.available()) / capacity;
  std::lock_guard lock(mutex_);
  stats_ = totals_;
}

}  // namespace fathom
