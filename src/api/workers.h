// Work that blocks or computes, away from the thread that serves the connections.
#pragma once

#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace fathom::api {

using Workers = boost::asio::thread_pool;

/// Runs work() on a thread of the pool; gives what it returns, or throws what it throws, on the
/// caller's executor. `work` captures by reference: GCC 12 destroys twice what a temporary in a
/// co_await expression holds by value.
template <typename Work>
boost::asio::awaitable<std::invoke_result_t<Work&>> run_on(Workers& workers, Work work) {
  namespace asio = boost::asio;
  static_assert(std::is_trivially_copyable_v<Work>);
  struct Outcome {
    std::optional<std::invoke_result_t<Work&>> value;
    std::exception_ptr error;
  } outcome;
  asio::any_io_executor home = co_await asio::this_coro::executor;
  // Its event loop goes on meanwhile.
  home = asio::prefer(home, asio::execution::outstanding_work.tracked);
  const auto go = [&](auto handler) {
    asio::post(workers, [&work, &outcome, home, handler = std::move(handler)]() mutable {
      try {
        outcome.value.emplace(work());
      } catch (...) {
        outcome.error = std::current_exception();
      }
      asio::post(home, std::move(handler));
    });
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(go, asio::use_awaitable);
  if (outcome.error) std::rethrow_exception(outcome.error);
  co_return std::move(*outcome.value);
}

}  // namespace fathom::api
