#include "api/upstream/upstream_answer.h"

#include <spdlog/spdlog.h>

#include <optional>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>

#include "api/api_error.h"
#include "api/upstream/event_parser.h"
#include "api/upstream/upstream_error.h"
#include "base/error.h"

namespace fathom::api {
namespace {

// Of an error's body; there is more in none.
constexpr size_t kMaxErrorBody = 64 << 10;

}  // namespace

// Lives until the line has let go of it, which may be after the answer.
class UpstreamAnswer::Work {
 public:
  Work(UpstreamLine& line, UpstreamPlan given)
      : plan(std::move(given)),
        line_(line),
        call_(line.executor, line.target),
        reader_(plan.reader) {}

  static asio::awaitable<void> run(std::shared_ptr<Work> self);
  void cancel() {
    cancelled_ = true;
    call_.close();
  }

  const UpstreamPlan plan;
  std::shared_ptr<AnswerReceiver> receiver;

 private:
  asio::awaitable<void> converse();
  asio::awaitable<void> refused();
  void take(std::string_view json);
  void push(std::vector<AnswerEvent> events);
  void close(std::exception_ptr failure);
  std::exception_ptr translate(std::exception_ptr failure) const;

  UpstreamLine& line_;
  HttpCall call_;
  AnswerReader reader_;
  EventParser events_;
  bool cancelled_ = false;
  bool done_ = false;  // [DONE] came, or a whole answer
};

asio::awaitable<void> UpstreamAnswer::Work::run(std::shared_ptr<Work> self) {
  UpstreamLine& line = self->line_;
  line.calls.insert(&self->call_);
  ++line.running;
  std::exception_ptr failure;
  try {
    co_await self->converse();
  } catch (...) {
    failure = std::current_exception();
  }
  line.calls.erase(&self->call_);
  --line.running;
  self->call_.close();
  self->close(failure);
}

asio::awaitable<void> UpstreamAnswer::Work::converse() {
  call_.end_at(HttpCall::Clock::now() + plan.time_limit);
  co_await call_.start(plan.call);
  if (call_.status() != 200) co_await refused();
  // Some answer whole although they were asked for a stream, and some call a stream plain text: the
  // first character tells.
  std::optional<bool> whole;
  std::string body, part;
  bool more = true;
  while (more && !done_) {
    more = co_await call_.read(part);
    const size_t first = part.find_first_not_of(" \t\r\n");
    if (!whole && first != std::string::npos) whole = part[first] == '{';
    if (whole.value_or(false)) {
      body += part;
    } else {
      events_.push(part, [this](std::string_view data) { take(data); });
    }
  }
  if (whole.value_or(false)) {
    take(body);
    done_ = true;
  }
}

asio::awaitable<void> UpstreamAnswer::Work::refused() {
  std::string body, part;
  bool more = true;
  while (more && body.size() < kMaxErrorBody) {
    more = co_await call_.read(part);
    body += part;
  }
  const UpstreamProblem problem = response_problem(call_.status(), body);
  spdlog::warn("request {}: upstream {}: {}", plan.call.id, line_.target.url.text(),
               problem.logged);
  throw problem.told;
}

void UpstreamAnswer::Work::take(std::string_view json) {
  if (done_) return;
  if (json == "[DONE]") {
    done_ = true;
    return;
  }
  const Json body = parse_json(json);
  if (is_error(body)) {
    const UpstreamProblem problem = body_problem(body);
    spdlog::warn("request {}: upstream {}: {}", plan.call.id, line_.target.url.text(),
                 problem.logged);
    throw problem.told;
  }
  push(reader_.take(body));
}

void UpstreamAnswer::Work::push(std::vector<AnswerEvent> events) {
  for (AnswerEvent& event : events) receiver->push(std::move(event));
}

/// What the client is told. The upstream's address and words stay with the operator.
std::exception_ptr UpstreamAnswer::Work::translate(std::exception_ptr failure) const {
  try {
    std::rethrow_exception(failure);
  } catch (const ApiError&) {
    return failure;
  } catch (const std::exception& problem) {
    spdlog::warn("request {}: {}", plan.call.id, problem.what());
  }
  return std::make_exception_ptr(
      call_.connected() ? ApiError(500, "server_error", "The model's server broke off its answer")
                        : overloaded("The model's server cannot be reached"));
}

void UpstreamAnswer::Work::close(std::exception_ptr failure) {
  // A connection that ends after the last choice did has said all, [DONE] or not.
  if (failure && reader_.complete() && !cancelled_) failure = nullptr;
  AnswerResult result;
  if (cancelled_ || call_.past_end()) {
    push(reader_.finish(kCutShort));
    result = reader_.result();
    result.timed_out = !cancelled_;
  } else if (failure) {
    result = reader_.result();
    result.error = translate(failure);
  } else if (done_ || reader_.complete()) {
    push(reader_.finish(""));
    result = reader_.result();
  } else {
    result = reader_.result();
    result.error = translate(std::make_exception_ptr(
        Error(ErrorKind::kIo, "upstream " + line_.target.url.text() + ": the stream ends early")));
  }
  receiver->close(std::move(result));
  receiver = nullptr;
}

UpstreamAnswer::UpstreamAnswer(UpstreamLine& line, UpstreamPlan plan)
    : line_(line), work_(std::make_shared<Work>(line, std::move(plan))) {}

UpstreamAnswer::~UpstreamAnswer() { cancel(); }

int64_t UpstreamAnswer::prompt_tokens() const { return work_->plan.most_prompt_tokens; }
int64_t UpstreamAnswer::max_tokens() const { return work_->plan.max_tokens; }

void UpstreamAnswer::start(std::shared_ptr<AnswerReceiver> receiver) {
  work_->receiver = std::move(receiver);
  asio::co_spawn(line_.executor, Work::run(work_), asio::detached);
}

void UpstreamAnswer::cancel() {
  asio::post(line_.executor, [work = work_] { work->cancel(); });
}

}  // namespace fathom::api
