// Work that blocks or computes, away from the thread that serves the connections.
#pragma once

#include <type_traits>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace fathom::api {

using Workers = boost::asio::thread_pool;

/// Runs work() on a thread of the pool; gives what it returns, or throws what it throws, on the
/// caller's executor. The result must have a default. `work` captures by reference: GCC 12 destroys
/// twice what a temporary in a co_await expression holds by value.
template <typename Work>
boost::asio::awaitable<std::invoke_result_t<Work&>> run_on(Workers& workers, Work work) {
  using Result = std::invoke_result_t<Work&>;
  static_assert(std::is_trivially_copyable_v<Work>);
  auto task = [&work]() -> boost::asio::awaitable<Result> { co_return work(); };
  co_return co_await boost::asio::co_spawn(workers, task, boost::asio::use_awaitable);
}

}  // namespace fathom::api
