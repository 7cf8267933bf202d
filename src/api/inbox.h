// An answer's events on their way from the engine's thread to the coroutine that writes them.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include "api/backend.h"

namespace fathom::api {

class Inbox;

/// Wakes the readers of inboxes, on their thread. The engine fills many inboxes with each step;
/// going to that thread costs more than what is done there, so one trip wakes all. Thread-safe.
class Wakeups final : public std::enable_shared_from_this<Wakeups> {
 public:
  /// The executor must run on one thread, the readers'.
  explicit Wakeups(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}

  void wake(std::shared_ptr<Inbox> inbox);
  const boost::asio::any_io_executor& executor() const { return executor_; }

 private:
  void arrive();

  boost::asio::any_io_executor executor_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<Inbox>> waiting_;  // not empty: a trip is under way
};

class Inbox final : public AnswerReceiver, public std::enable_shared_from_this<Inbox> {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Inbox(std::shared_ptr<Wakeups> wakeups);

  // From any thread.
  void push(AnswerEvent event) override;
  void close(AnswerResult result) override;

  struct Batch {
    std::vector<AnswerEvent> events;
    std::optional<AnswerResult> result;  ///< nothing comes after it
    bool empty() const { return events.empty() && !result; }
  };

  // The reader's.
  /// Waits for something to come, for wake(), or for `until`; what came may be nothing.
  boost::asio::awaitable<Batch> take(Clock::time_point until);
  void wake() { timer_.cancel(); }

 private:
  void notify(std::unique_lock<std::mutex> lock);

  std::shared_ptr<Wakeups> wakeups_;
  boost::asio::steady_timer timer_;
  std::mutex mutex_;
  Batch batch_;
  bool waiting_ = false;
};

}  // namespace fathom::api
