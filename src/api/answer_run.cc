#include "api/answer_run.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "api/api_error.h"

namespace fathom::api {
Service::Run::Run(Service& service, Exchange& exchange, Task task)
    : service_(service),
      exchange_(exchange),
      task_(std::move(task)),
      bill_(*task_.bill),
      inbox_(std::make_shared<Inbox>(service.wakeups_)),
      finish_reasons_(static_cast<size_t>(task_.choices)) {}

asio::awaitable<void> Service::Run::start() {
  std::exception_ptr refusal;
  try {
    task_.answer->start(inbox_);
  } catch (...) {
    refusal = std::current_exception();
  }
  if (!refusal) co_return;
  const ledger::Tokens nothing;
  const std::string outcome = "refused";
  co_await bill_.settle(nothing, outcome, Till::nothing());
  std::rethrow_exception(refusal);
}

asio::awaitable<void> Service::Run::pump() {
  try {
    co_await pass_all_on();
  } catch (...) {
    failure_ = std::current_exception();
    stop();
  }
}

asio::awaitable<void> Service::Run::pass_all_on() {
  Connection& connection = exchange_.connection;
  inbox_->look_first([this](Inbox::Batch& batch) { return pass_on(batch); });
  put_off_keep_alive();
  while (!result_) {
    const Inbox::Batch* batch = co_await inbox_->take(keep_alive_at_);
    if (failure_) std::rethrow_exception(failure_);
    co_await flush();  // what was passed on at once, where that was too much
    std::string out;
    for (const AnswerEvent& event : batch->events) {
      note(event);
      bool covered = true;
      if (wants_cover(event)) covered = co_await bill_.cover(delivered_ + event.tokens);
      if (covered) {
        take(event, out);
      } else {
        spend_out(out);
      }
    }
    result_ = batch->result;
    const bool silent = Inbox::Clock::now() >= keep_alive_at_;
    if (out.empty() && !result_ && silent) out = task_.writer->keep_alive();
    if (!out.empty() || silent) put_off_keep_alive();
    if (!left_ && !out.empty()) {
      if (!connection.started()) start_body();
      connection.write_now(out);
    }
    co_await flush();
    if (connection.gone()) client_left();
  }
}

asio::awaitable<void> Service::Run::flush() {
  if (exchange_.connection.flushed()) co_return;
  bill_.guest().leave();
  co_await exchange_.connection.flush();
  bill_.guest().enter();
}

/// What nobody has to wait for, as nearly all of an answer.
bool Service::Run::pass_on(Inbox::Batch& batch) {
  Connection& connection = exchange_.connection;
  int64_t tokens = delivered_;
  bool plain = !batch.result && connection.started() && !left_ && !spent_;
  for (const AnswerEvent& event : batch.events) {
    tokens += event.tokens;
    plain = plain && !event.prompt;
  }
  if (!plain || bill_.wants_cover(tokens)) return false;
  try {
    std::string& out = service_.next_;  // as warm as memory gets
    out.clear();
    for (const AnswerEvent& event : batch.events) {
      note(event);
      take(event, out);
    }
    batch.events.clear();
    if (out.empty()) return true;
    put_off_keep_alive();
    return connection.write_now(out) && !connection.gone();
  } catch (...) {
    failure_ = std::current_exception();
    return false;
  }
}

void Service::Run::put_off_keep_alive() {
  keep_alive_at_ = Inbox::Clock::now() + service_.options_.keep_alive;
}

void Service::Run::note(const AnswerEvent& event) {
  if (event.tokens > 0 && first_token_ == 0) first_token_ = exchange_.seconds();
  if (event.prompt) bill_.know_prompt({event.prompt->hit, event.prompt->miss, 0});
}

bool Service::Run::wants_cover(const AnswerEvent& event) const {
  return event.tokens > 0 && !left_ && !spent_ && bill_.wants_cover(delivered_ + event.tokens);
}

void Service::Run::take(const AnswerEvent& event, std::string& out) {
  if (left_ || spent_) return;
  delivered_ += event.tokens;
  if (!event.finish_reason.empty()) finish_reasons_[event.choice] = event.finish_reason;
  task_.writer->event(event, out);
}

// The balance does not reach for another token.
void Service::Run::spend_out(std::string& out) {
  spent_ = true;
  stop();
  for (int i = 0; i < static_cast<int>(finish_reasons_.size()); ++i) {
    if (!finish_reasons_[i].empty()) continue;
    finish_reasons_[i] = kCutShort;
    AnswerEvent end;
    end.choice = i;
    end.finish_reason = kCutShort;
    task_.writer->event(end, out);
  }
}

void Service::Run::start_body() {
  exchange_.record.status = 200;
  Response response;
  response.content_type = task_.writer->content_type();
  response.headers = {{"X-Request-Id", exchange_.record.id},
                      {"Cache-Control", "no-cache"},
                      {"X-Accel-Buffering", "no"}};
  exchange_.connection.start(response);
}

void Service::Run::stop() { task_.answer->cancel(); }

void Service::Run::client_left() {
  if (std::exchange(left_, true)) return;
  stop();
  inbox_->interrupt();
}

std::string Service::Run::outcome() const {
  if (left_) return "disconnected";
  if (spent_) return "balance_spent";
  if (failure_ || !result_ || result_->error) return "error";
  if (result_->timed_out) return "timed_out";
  return finish_reasons_[0];
}

// The output tokens to charge for. The end knows best: an end-of-answer token has no event of its
// own, and another server may have counted fewer than its chunks made us think.
asio::awaitable<int64_t> Service::Run::completion() {
  if (!result_ || left_ || spent_) co_return delivered_;
  if (result_->completion <= delivered_) co_return result_->completion;
  bool covered = false;
  try {
    covered = co_await bill_.cover(result_->completion);
  } catch (const std::exception& error) {
    spdlog::error("request {}: {}", exchange_.record.id, error.what());
  }
  co_return covered ? result_->completion : std::max(delivered_, bill_.covered());
}

asio::awaitable<void> Service::Run::settle() {
  // A prompt that no token came of costs nothing.
  ledger::Tokens used;
  const int64_t came = result_ ? result_->completion : delivered_;
  if (came > 0) {
    used = bill_.prompt();
    if (result_) used = {result_->prompt_hit, result_->prompt_miss, 0};
    used.output = co_await completion();
    if (result_) result_->completion = used.output;
  }
  observe(used);
  const std::string how = outcome();
  const Till::Errand keep = [&] {
    if (!failure_) task_.answer->keep();
  };
  co_await bill_.settle(used, how, keep);
}

void Service::Run::observe(const ledger::Tokens& used) {
  RequestRecord& record = exchange_.record;
  record.prompt_tokens = used.hit + used.miss;
  record.cache_hit_tokens = used.hit;
  record.completion_tokens = used.output;
  record.first_token_seconds = first_token_;
  record.outcome = outcome();
  Metrics& metrics = service_.metrics_;
  metrics.count_prompt(record.prompt_tokens, used.hit);
  metrics.count_generated(used.output, result_ ? result_->draft_tokens : 0,
                          result_ ? result_->accepted_tokens : 0);
  if (used.output == 0) return;
  const double seconds = exchange_.seconds();
  metrics.observe_first_token(first_token_);
  if (used.output > 1) {
    metrics.observe_token((seconds - first_token_) / static_cast<double>(used.output - 1));
  }
  metrics.observe_request(seconds);
}

// What the client is told of it; the log gets its own words.
ApiError Service::Run::told(const std::exception_ptr& problem) {
  try {
    std::rethrow_exception(problem);
  } catch (const std::exception& error) {
    exchange_.record.error = error.what();
    return to_api_error(error);
  }
}

asio::awaitable<void> Service::Run::conclude() {
  Connection& connection = exchange_.connection;
  if (left_ || connection.gone()) {
    exchange_.record.status = 499;  // nginx's word for it
    co_return;
  }
  const std::exception_ptr problem = failure_ ? failure_ : result_->error;
  if (problem) {
    if (!connection.started()) std::rethrow_exception(problem);
    co_await connection.finish(task_.writer->error(told(problem)));
  } else if (result_->timed_out) {
    if (!connection.started()) throw overloaded("The answer took longer than the server allows");
    connection.close();
  } else if (connection.started()) {
    co_await connection.finish(task_.writer->end(*result_));
  } else {
    const std::string body = task_.writer->end(*result_);
    Response response;
    response.content_type = task_.writer->content_type();
    response.body = body;
    response.headers = {{"X-Request-Id", exchange_.record.id}};
    exchange_.record.status = 200;
    co_await connection.send(response);
  }
}

asio::awaitable<void> Service::answer(Exchange& exchange, Task task) {
  Run run(*this, exchange, std::move(task));
  co_await run.start();
  running_.insert(&run);
  exchange.connection.watch([&run] { run.client_left(); });
  co_await run.pump();
  co_await exchange.connection.unwatch();
  running_.erase(&run);
  co_await run.settle();
  co_await run.conclude();
}

void Service::cancel_all() {
  for (Run* run : running_) run->stop();
}

}  // namespace fathom::api
