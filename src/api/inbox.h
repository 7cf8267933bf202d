// An answer's events on their way from the engine's thread to the coroutine that writes them.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "api/backend.h"

namespace fathom::api {

class Inbox;

/// Wakes the readers of inboxes, on their thread. The engine fills many inboxes with each step;
/// going to that thread costs more than what is done there, so one trip at the step's end wakes
/// them all. Thread-safe.
class Wakeups final : public std::enable_shared_from_this<Wakeups> {
 public:
  using Clock = std::chrono::steady_clock;

  /// How long a reader rests after each look, where inboxes are filled in rounds: a write costs the
  /// same for several tokens, and with a small model nearly as much as a token does. Whoever reads
  /// does not see so short a time, and most models take longer for a token.
  static constexpr std::chrono::milliseconds kRest{4};

  /// The executor must run on one thread, the readers'.
  explicit Wakeups(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}

  /// From now on inboxes are filled in rounds, and set_out() is called after each. Before the first
  /// wake().
  void wait_for_rounds(Clock::duration rest = kRest) { rest_ = rest; }
  /// Wakes its reader on the first trip from `earliest` on; without rounds, that sets out now.
  void wake(std::weak_ptr<Inbox> inbox, Clock::time_point earliest = {});
  /// Begins a trip, where there is anybody to wake.
  void set_out();
  const boost::asio::any_io_executor& executor() const { return executor_; }
  /// Until when a reader rests that looked just now.
  Clock::time_point rest_end() const { return rest_ ? Clock::now() + *rest_ : Clock::time_point(); }

 private:
  struct Sleeper {
    std::weak_ptr<Inbox> inbox;  // whose answer may end before
    Clock::time_point earliest;
  };

  void arrive();

  const boost::asio::any_io_executor executor_;
  std::optional<Clock::duration> rest_;  // absent: no rounds
  std::mutex mutex_;                     // of what follows
  std::vector<Sleeper> asleep_;
  std::vector<std::shared_ptr<Inbox>> called_;  // the trip under way is for them
};

class Inbox final : public AnswerReceiver, public std::enable_shared_from_this<Inbox> {
 public:
  using Clock = Wakeups::Clock;

  explicit Inbox(std::shared_ptr<Wakeups> wakeups);

  // From any thread.
  void push(AnswerEvent event) override;
  void close(AnswerResult result) override;
  /// Has take() return soon, with nothing if nothing came.
  void interrupt();

  struct Batch {
    std::vector<AnswerEvent> events;
    std::optional<AnswerResult> result;  ///< nothing comes after it
    bool empty() const { return events.empty() && !result; }
  };

  // The reader's. It stays until an answer's end: one that is left waiting is never freed.
  /// Waits for something to come, for interrupt(), or for `until`; what came may be nothing. It is
  /// good until the next call.
  boost::asio::awaitable<Batch*> take(Clock::time_point until);
  /// Shown what comes while take() waits; does what can be done at once and takes that out. True:
  /// the wait goes on, and what comes next, but for the end, is shown after a rest. This costs a
  /// fraction of what a coroutine's turn does. Never throws.
  using FirstLook = std::function<bool(Batch&)>;
  void look_first(FirstLook look) { look_ = std::move(look); }
  void resume();

 private:
  using Reader = boost::asio::async_result<boost::asio::use_awaitable_t<>, void()>::handler_type;

  bool collect();
  bool look();
  bool rest();
  void watch_clock();

  std::shared_ptr<Wakeups> wakeups_;
  FirstLook look_ = [](const Batch&) { return false; };
  Batch taken_;                   // the reader's
  std::optional<Reader> reader_;  // that waits
  Clock::time_point until_{};     // for so long
  // Not set anew for each wait, which would cost more than all else: when it goes off too early, it
  // is set to what is left.
  boost::asio::steady_timer timer_;
  bool timer_runs_ = false;

  std::mutex mutex_;  // of what follows
  Batch batch_;
  bool waiting_ = false;
  Clock::time_point rests_until_{};
};

}  // namespace fathom::api
