#include "api/inbox.h"

#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace fathom::api {

namespace asio = boost::asio;

void Wakeups::wake(std::shared_ptr<Inbox> inbox) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    first = waiting_.empty();
    waiting_.push_back(std::move(inbox));
  }
  if (first) asio::post(executor_, [self = shared_from_this()] { self->arrive(); });
}

void Wakeups::arrive() {
  std::vector<std::shared_ptr<Inbox>> woken;
  {
    const std::lock_guard lock(mutex_);
    woken.swap(waiting_);
  }
  for (const auto& inbox : woken) inbox->wake();
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

asio::awaitable<Inbox::Batch> Inbox::take(Clock::time_point until) {
  {
    const std::lock_guard lock(mutex_);
    if (!batch_.empty()) co_return std::exchange(batch_, {});
    waiting_ = true;
  }
  timer_.expires_at(until);
  boost::system::error_code ignored;
  co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  const std::lock_guard lock(mutex_);
  waiting_ = false;
  co_return std::exchange(batch_, {});
}

}  // namespace fathom::api
