#include "api/till.h"

#include <algorithm>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>

namespace fathom::api {

namespace asio = boost::asio;

namespace {

// At a hundred requests a trip every ten milliseconds, of the seconds that each of them takes.
constexpr std::chrono::microseconds kPauseEach{100};
constexpr std::chrono::microseconds kLongestPause{25'000};

}  // namespace

const Till::Errand& Till::nothing() {
  static const Errand nothing = [] {};
  return nothing;
}

Till::Till(ledger::Ledger& ledger, Workers& workers, asio::any_io_executor executor)
    : ledger_(ledger), workers_(workers), executor_(std::move(executor)), timer_(executor_) {}

asio::awaitable<void> Till::bring(const ledger::Change& change, const Errand& then) {
  Visit visit{change, then};
  const auto wait = [this, &visit](Handler handler) {
    visit.handler.emplace(std::move(handler));
    waiting_.push_back(&visit);
    send();
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(wait, asio::use_awaitable);
  if (visit.error) std::rethrow_exception(visit.error);
}

Till::Clock::duration Till::pause() const {
  // Alone, they have nothing to wait for.
  if (ledger_.useful_changes() == 1) return {};
  return std::min(kLongestPause, guests_ * kPauseEach);
}

void Till::send() {
  while (!waiting_.empty() && trips_ < ledger_.useful_writers()) {
    const auto now = Clock::now();
    if (now < next_trip_) return send_later();
    next_trip_ = now + pause();
    const auto count = static_cast<ptrdiff_t>(std::min(waiting_.size(), ledger_.useful_changes()));
    Visits visits(waiting_.begin(), waiting_.begin() + count);
    waiting_.erase(waiting_.begin(), waiting_.begin() + count);
    carry(std::move(visits));
  }
}

void Till::send_later() {
  if (std::exchange(timer_runs_, true)) return;
  timer_.expires_at(next_trip_);
  timer_.async_wait([this](const boost::system::error_code& error) {
    timer_runs_ = false;
    if (!error) send();
  });
}

void Till::carry(Visits visits) {
  ++trips_;
  // Its event loop goes on meanwhile.
  asio::any_io_executor home = asio::prefer(executor_, asio::execution::outstanding_work.tracked);
  asio::post(workers_, [this, visits = std::move(visits), home = std::move(home)]() mutable {
    settle(visits);
    asio::post(home, [this, visits = std::move(visits)] {
      --trips_;
      for (Visit* visit : visits) {
        Handler handler = std::move(*visit->handler);  // the visit ends with its wait
        handler();
      }
      send();
    });
  });
}

void Till::settle(const Visits& visits) {
  std::vector<const ledger::Change*> changes;
  for (const Visit* visit : visits) changes.push_back(&visit->change);
  std::vector<std::exception_ptr> errors;
  try {
    errors = ledger_.apply(changes);
  } catch (...) {
    errors.assign(visits.size(), std::current_exception());
  }
  for (size_t i = 0; i < visits.size(); ++i) {
    visits[i]->error = errors[i];
    if (errors[i]) continue;
    try {
      visits[i]->then();
    } catch (...) {
      visits[i]->error = std::current_exception();
    }
  }
}

}  // namespace fathom::api
