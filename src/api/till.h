// Where requests bring what they change in the ledger.
#pragma once

#include <chrono>
#include <exception>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "api/workers.h"
#include "ledger/ledger.h"

namespace fathom::api {

/// Changes go to the ledger together, on one trip to a worker and in one transaction, which cost
/// several times what a change does. The more requests are open, the longer the pause between two
/// trips, so that more come together; with a few, nobody waits. On one executor.
class Till {
 public:
  using Errand = std::function<void()>;

  /// `executor` runs on one thread. Ledger and workers must outlive this.
  Till(ledger::Ledger& ledger, Workers& workers, boost::asio::any_io_executor executor);

  /// Returns once the ledger has `change`, or throws what it threw. `then` is run on the worker
  /// after it, out of the transaction.
  boost::asio::awaitable<void> bring(const ledger::Change& change, const Errand& then = nothing());
  static const Errand& nothing();
  Workers& workers() { return workers_; }
  ledger::Ledger& ledger() { return ledger_; }

  /// A request that is open: from enter() on, and until leave() or its end.
  class Guest {
   public:
    explicit Guest(Till& till) : till_(till) { enter(); }
    ~Guest() { leave(); }
    Guest(const Guest&) = delete;
    Guest& operator=(const Guest&) = delete;
    void enter() {
      if (!std::exchange(inside_, true)) ++till_.guests_;
    }
    /// It brings nothing for some time.
    void leave() {
      if (std::exchange(inside_, false)) --till_.guests_;
    }

   private:
    Till& till_;
    bool inside_ = false;
  };

 private:
  using Clock = std::chrono::steady_clock;
  using Handler = boost::asio::async_result<boost::asio::use_awaitable_t<>, void()>::handler_type;
  struct Visit {
    const ledger::Change& change;
    const Errand& then;
    std::optional<Handler> handler = std::nullopt;
    std::exception_ptr error = nullptr;
  };
  using Visits = std::vector<Visit*>;

  void send();
  void carry(Visits visits);
  void settle(const Visits& visits);
  Clock::duration pause() const;
  void send_later();

  ledger::Ledger& ledger_;
  Workers& workers_;
  const boost::asio::any_io_executor executor_;
  Visits waiting_;
  int trips_ = 0;  // under way
  int64_t guests_ = 0;
  Clock::time_point next_trip_{};
  boost::asio::steady_timer timer_;
  bool timer_runs_ = false;
};

}  // namespace fathom::api
