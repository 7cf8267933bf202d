#include "api/inbox.h"

#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace fathom::api {

namespace asio = boost::asio;

Inbox::Inbox(asio::any_io_executor executor) : executor_(executor), timer_(executor) {}

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

// One post for each time that the reader waits, however many events come meanwhile. It runs on the
// reader's thread, so the reader's wait has begun by then.
void Inbox::notify(std::unique_lock<std::mutex> lock) {
  if (!std::exchange(waiting_, false)) return;
  lock.unlock();
  asio::post(executor_, [self = shared_from_this()] { self->timer_.cancel(); });
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
