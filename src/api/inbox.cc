#include "api/inbox.h"

#include <utility>

#include <boost/asio/post.hpp>

namespace fathom::api {

namespace asio = boost::asio;

void Wakeups::wake(std::weak_ptr<Inbox> inbox, Clock::time_point earliest) {
  {
    const std::lock_guard lock(mutex_);
    asleep_.push_back({std::move(inbox), earliest});
  }
  if (!rest_) set_out();
}

void Wakeups::set_out() {
  const Clock::time_point now = Clock::now();
  {
    const std::lock_guard lock(mutex_);
    const bool under_way = !called_.empty();
    std::erase_if(asleep_, [&](Sleeper& sleeper) {
      if (sleeper.earliest > now) return false;
      if (std::shared_ptr<Inbox> inbox = sleeper.inbox.lock()) called_.push_back(std::move(inbox));
      return true;
    });
    if (under_way || called_.empty()) return;
  }
  asio::post(executor_, [self = shared_from_this()] { self->arrive(); });
}

void Wakeups::arrive() {
  std::vector<std::shared_ptr<Inbox>> called;
  {
    const std::lock_guard lock(mutex_);
    called.swap(called_);
  }
  for (const auto& inbox : called) inbox->resume();
}

Inbox::Inbox(std::shared_ptr<Wakeups> wakeups)
    : wakeups_(std::move(wakeups)), timer_(wakeups_->executor()) {}

// One call for each time that the reader waits, however many events come meanwhile. It is woken on
// its own thread, so its wait has begun by then.
void Inbox::push(AnswerEvent event) {
  Clock::time_point earliest;
  {
    const std::lock_guard lock(mutex_);
    batch_.events.push_back(std::move(event));
    if (!std::exchange(waiting_, false)) return;
    earliest = rests_until_;
  }
  wakeups_->wake(weak_from_this(), earliest);
}

// Always a call: what came before may have left the reader at rest.
void Inbox::close(AnswerResult result) {
  {
    const std::lock_guard lock(mutex_);
    batch_.result = std::move(result);
    waiting_ = false;
  }
  wakeups_->wake(weak_from_this());
}

void Inbox::interrupt() {
  wakeups_->wake(weak_from_this());
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
  if (!reader_ || look()) return;
  Reader reader = std::move(*reader_);
  reader_.reset();
  reader();
}

/// Shows what came; true when the reader waits on.
bool Inbox::look() {
  do {
    if (!collect() || !look_(taken_)) return false;
  } while (!rest());
  return true;
}

/// False when the end came during the look.
bool Inbox::rest() {
  const Clock::time_point until = wakeups_->rest_end();
  {
    const std::lock_guard lock(mutex_);
    if (batch_.result) return false;
    rests_until_ = until;
    waiting_ = batch_.events.empty();
    if (waiting_) return true;
  }
  wakeups_->wake(weak_from_this(), until);
  return true;
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
