#include "api/local_answer.h"

#include <utility>

#include "api/api_error.h"

namespace fathom::api {

// What the sinks of all choices share: it closes the answer when the last of them is done.
class LocalAnswer::Choices {
 public:
  Choices(std::shared_ptr<AnswerReceiver> receiver, int64_t count)
      : receiver_(std::move(receiver)), open_(count) {}

  void push(AnswerEvent event) { receiver_->push(std::move(event)); }

  void finish(const RequestResult& result, bool first) {
    const std::lock_guard lock(mutex_);
    if (first) {
      result_.prompt_hit = result.usage.cache_hit_tokens;
      result_.prompt_miss = result.usage.cache_miss_tokens;
    }
    result_.completion += result.usage.completion_tokens;
    result_.draft_tokens += result.usage.draft_tokens;
    result_.accepted_tokens += result.usage.accepted_tokens;
    if (result.reason == FinishReason::kDeadline) result_.timed_out = true;
    if (result.reason == FinishReason::kError) {
      result_.error = std::make_exception_ptr(Error(ErrorKind::kIo, result.error));
    }
    if (--open_ == 0) receiver_->close(result_);
  }

  void keep(std::vector<int32_t> ids) {
    const std::lock_guard lock(mutex_);
    kept_.push_back(std::move(ids));
  }
  std::vector<std::vector<int32_t>> kept() {
    const std::lock_guard lock(mutex_);
    return std::move(kept_);
  }

 private:
  std::shared_ptr<AnswerReceiver> receiver_;
  std::mutex mutex_;
  int64_t open_;
  AnswerResult result_;
  std::vector<std::vector<int32_t>> kept_;  // ids of whole choices
};

class LocalAnswer::Sink final : public TokenSink {
 public:
  Sink(std::shared_ptr<Choices> choices, int index, const LocalAnswerPlan& plan)
      : choices_(std::move(choices)),
        index_(index),
        prompt_tokens_(std::ssize(plan.prompt.ids)),
        text_(plan.text) {}

  void on_prompt(int64_t cached) override { cached_ = cached; }

  bool on_token(const GeneratedToken& token) override {
    ids_.push_back(token.id);
    AnswerEvent event = text_.push(token);
    const bool first = cached_.has_value();
    // Of several choices the first is charged for the prompt.
    if (first && index_ == 0) event.prompt = PromptUse{*cached_, prompt_tokens_ - *cached_};
    cached_.reset();
    event.tokens += std::exchange(silent_, 0);
    const bool silent = event.text.empty() && event.calls.empty() && event.logprobs.empty();
    if (silent && !first && event.tokens < kMostSilent) {
      silent_ = event.tokens;
    } else {
      push(std::move(event));
    }
    return !text_.stopped();
  }

  void on_finish(const RequestResult& result) override {
    // An answer that a stop string cut is not, as text, what its ids are.
    if (!text_.stopped()) choices_->keep(std::move(ids_));
    AnswerEvent event = text_.finish(result.reason);
    event.tokens += silent_;
    push(std::move(event));
    choices_->finish(result, index_ == 0);
  }

 private:
  /// Tokens that show nothing, as the parts of a character do, go with the next that does: a trip
  /// to the client's thread costs the same for it all. Not too many, or their hold comes too late.
  static constexpr int64_t kMostSilent = 16;

  void push(AnswerEvent event) {
    event.choice = index_;
    choices_->push(std::move(event));
  }

  std::shared_ptr<Choices> choices_;
  const int index_;
  const int64_t prompt_tokens_;
  std::optional<int64_t> cached_;  // told with the first token
  ChoiceText text_;
  std::vector<int32_t> ids_;
  int64_t silent_ = 0;  // tokens that were not pushed yet
};

namespace {

/// Stands in while the choices are being submitted, so that a refusal of a later one leaves nothing
/// behind.
class Gate final : public AnswerReceiver {
 public:
  explicit Gate(std::shared_ptr<AnswerReceiver> receiver) : receiver_(std::move(receiver)) {}

  void push(AnswerEvent event) override {
    const std::lock_guard lock(mutex_);
    if (open_) {
      receiver_->push(std::move(event));
    } else {
      early_.push_back(std::move(event));
    }
  }
  void close(AnswerResult result) override {
    const std::lock_guard lock(mutex_);
    if (open_) {
      receiver_->close(std::move(result));
    } else {
      end_ = std::move(result);
    }
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    for (AnswerEvent& event : early_) receiver_->push(std::move(event));
    early_.clear();
    if (end_) receiver_->close(std::move(*end_));
  }

 private:
  std::shared_ptr<AnswerReceiver> receiver_;
  std::mutex mutex_;
  bool open_ = false;
  std::vector<AnswerEvent> early_;
  std::optional<AnswerResult> end_;
};

}  // namespace

LocalAnswer::LocalAnswer(Engine& engine, PromptBuilder& prompts, LocalAnswerPlan plan)
    : engine_(engine), prompts_(prompts), plan_(std::move(plan)) {}

LocalAnswer::~LocalAnswer() { cancel(); }

int64_t LocalAnswer::prompt_tokens() const { return std::ssize(plan_.prompt.ids); }
int64_t LocalAnswer::max_tokens() const { return plan_.max_tokens; }

Request LocalAnswer::make_request(int64_t choice) const {
  Request request{.prompt = plan_.prompt.ids,
                  .max_tokens = plan_.max_tokens,
                  .sampling = plan_.sampling,
                  .stop_ids = plan_.stop_ids,
                  .constraint = plan_.grammar ? plan_.grammar->new_constraint() : nullptr,
                  .user = plan_.user,
                  .deadline = std::chrono::steady_clock::now() + plan_.time_limit,
                  .speculate = plan_.speculate};
  // The same seed for each would make the choices the same.
  if (request.sampling.seed) *request.sampling.seed += static_cast<uint64_t>(choice);
  return request;
}

void LocalAnswer::start(std::shared_ptr<AnswerReceiver> receiver) {
  const auto gate = std::make_shared<Gate>(std::move(receiver));
  choices_ = std::make_shared<Choices>(gate, plan_.choices);
  try {
    for (int64_t i = 0; i < plan_.choices; ++i) {
      ids_.push_back(engine_.submit(make_request(i),
                                    std::make_shared<Sink>(choices_, static_cast<int>(i), plan_)));
    }
  } catch (...) {
    cancel();
    throw;
  }
  gate->open();
}

void LocalAnswer::cancel() {
  for (const RequestId id : ids_) engine_.cancel(id);
}

void LocalAnswer::keep() {
  for (const auto& ids : choices_->kept()) prompts_.remember(plan_.prompt, ids);
}

}  // namespace fathom::api
