#include "cli/generation.h"

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <optional>
#include <utility>

#include "base/error.h"
#include "text/detokenizer.h"

namespace fathom::cli {
namespace {

// How long Ctrl-C may go unheard while no token comes.
constexpr auto kPatience = std::chrono::milliseconds(50);

std::atomic<bool> interrupt_flag{false};

/// Hands tokens from the engine's thread to the caller's.
class TokenQueue final : public TokenSink {
 public:
  bool on_token(const GeneratedToken& token) override {
    {
      std::lock_guard lock(mutex_);
      ids_.push_back(token.id);
    }
    changed_.notify_one();
    return true;
  }
  void on_finish(const RequestResult& result) override {
    {
      std::lock_guard lock(mutex_);
      result_ = result;
    }
    changed_.notify_one();
  }

  /// The tokens since the last call, waiting a little for them.
  std::vector<int32_t> take() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kPatience, [&] { return !ids_.empty() || result_; });
    return std::exchange(ids_, {});
  }
  /// Set after the last token.
  std::optional<RequestResult> result() const {
    std::lock_guard lock(mutex_);
    return ids_.empty() ? result_ : std::nullopt;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<int32_t> ids_;
  std::optional<RequestResult> result_;
};

}  // namespace

double Generation::tokens_per_second() const {
  const bool several = ids.size() > 1 && usage.decode_seconds > 0;
  return several ? static_cast<double>(ids.size() - 1) / usage.decode_seconds : 0;
}

Generation generate(LocalSession& session, const GenerationRequest& request,
                    const std::function<void(std::string_view)>& on_text,
                    const std::atomic<bool>& interrupted) {
  std::optional<text::Detokenizer> detokenizer;
  if (session.tokenizer) detokenizer.emplace(session.tokenizer, true);
  Generation generation;
  const auto emit = [&](const std::string& piece) {
    generation.text += piece;
    if (!piece.empty()) on_text(piece);
  };

  const auto queue = std::make_shared<TokenQueue>();
  const RequestId id = session.engine->submit({.prompt = request.prompt,
                                               .max_tokens = request.max_tokens,
                                               .sampling = request.sampling,
                                               .stop_ids = request.stop_ids,
                                               .speculate = request.speculate},
                                              queue);
  std::optional<RequestResult> result;
  for (bool cancelled = false; !result; result = queue->result()) {
    for (int32_t token : queue->take()) {
      generation.ids.push_back(token);
      if (detokenizer) emit(detokenizer->push(token));
    }
    if (interrupted && !cancelled) {
      session.engine->cancel(id);
      cancelled = true;
    }
  }
  if (detokenizer) emit(detokenizer->finish());
  if (result->reason == FinishReason::kError) fail(ErrorKind::kBadInput, "{}", result->error);
  if (result->reason == FinishReason::kResource) fail(ErrorKind::kResource, "{}", result->error);
  generation.reason = result->reason;
  generation.usage = result->usage;
  return generation;
}

std::string_view finish_reason_name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kCancelled:
      return "cancelled";
    case FinishReason::kDeadline:
      return "deadline";
    case FinishReason::kResource:
      return "insufficient_system_resource";
    case FinishReason::kError:
      return "error";
  }
  return "?";
}

InterruptScope::InterruptScope() {
  clear();
  previous_ = std::signal(SIGINT, [](int) { interrupt_flag = true; });
}
InterruptScope::~InterruptScope() { std::signal(SIGINT, previous_); }
const std::atomic<bool>& InterruptScope::flag() const { return interrupt_flag; }
void InterruptScope::clear() { interrupt_flag = false; }

}  // namespace fathom::cli
