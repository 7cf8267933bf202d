// An answer's events on their way from the engine's thread to the coroutine that writes them.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include "api/backend.h"

namespace fathom::api {

class Inbox final : public AnswerReceiver, public std::enable_shared_from_this<Inbox> {
 public:
  using Clock = std::chrono::steady_clock;

  /// The executor must run on one thread, the reader's.
  explicit Inbox(boost::asio::any_io_executor executor);

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

  boost::asio::any_io_executor executor_;
  boost::asio::steady_timer timer_;
  std::mutex mutex_;
  Batch batch_;
  bool waiting_ = false;
};

}  // namespace fathom::api
