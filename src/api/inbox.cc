#include "api/inbox.h"

#include <utility>

#include <boost/asio/post.hpp>

namespace fathom::api {

namespace asio = boost::asio;

void Wakeups::wake(std::shared_ptr<Inbox> inbox) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(inbox));
  }
  if (!in_rounds_) set_out();
}

void Wakeups::set_out() {
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.empty() || std::exchange(under_way_, true)) return;
  }
  asio::post(executor_, [self = shared_from_this()] { self->arrive(); });
}

void Wakeups::arrive() {
  std::vector<std::shared_ptr<Inbox>> woken;
  {
    const std::lock_guard lock(mutex_);
    woken.swap(waiting_);
    under_way_ = false;
  }
  for (const auto& inbox : woken) inbox->resume();
}

Inbox::Inbox(std::shared_ptr<Wakeups> wakeups)
    : wakeups_(std::move(wakeups)), timer_(wakeups_->executor()) {}

void Inbox::push(AnswerEvent event) {
  std::unique_lock lock(mutex_);
  batch_.events.push_back(std::move(event));
  notify(std::move(lock));
}

void Inbox::close(AnswerResult result) {
  std::unique_lock lock(mutex_);
  batch_.result = std::move(result);
  notify(std::move(lock));
}

// One call for each time that the reader waits, however many events come meanwhile. It is woken on
// its own thread, so its wait has begun by then.
void Inbox::notify(std::unique_lock<std::mutex> lock) {
  if (!std::exchange(waiting_, false)) return;
  lock.unlock();
  wakeups_->wake(shared_from_this());
}

void Inbox::interrupt() {
  wakeups_->wake(shared_from_this());
  wakeups_->set_out();
}

/// Fetches what came; when that is nothing, has the next that comes wake the reader.
bool Inbox::collect() {
  taken_.events.clear();
  const std::lock_guard lock(mutex_);
  std::swap(taken_.events, batch_.events);  // both keep their memory
  taken_.result = std::exchange(batch_.result, {});
  waiting_ = taken_.empty();
  return !waiting_;
}

asio::awaitable<Inbox::Batch*> Inbox::take(Clock::time_point until) {
  if (collect()) co_return &taken_;
  until_ = until;
  if (!timer_runs_) watch_clock();
  const auto wait = [this](Reader reader) { reader_.emplace(std::move(reader)); };
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(wait, asio::use_awaitable);
  co_return &taken_;
}

void Inbox::resume() {
  if (!reader_) return;
  bool waits_on = false;
  while (collect()) {
    waits_on = look_(taken_);
    if (!waits_on) break;
  }
  if (waits_on) return;
  Reader reader = std::move(*reader_);
  reader_.reset();
  reader();
}

void Inbox::watch_clock() {
  timer_runs_ = true;
  timer_.expires_at(until_);
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const std::shared_ptr<Inbox> self = weak.lock();
    if (error || !self) return;
    self->timer_runs_ = false;
    if (!self->reader_) return;
    if (Clock::now() >= self->until_) {
      self->resume();
    } else {
      self->watch_clock();
    }
  });
}

}  // namespace fathom::api
