// Who may use the server.
#pragma once

#include <chrono>
#include <unordered_map>

#include <boost/asio/awaitable.hpp>

#include "api/bill.h"
#include "api/http/request_parser.h"
#include "api/workers.h"
#include "ledger/ledger.h"

namespace fathom::api {

/// On one executor.
class Access {
 public:
  /// `most_running`: requests that one key may have running, 0 for any number.
  Access(ledger::Ledger& ledger, Workers& workers, int64_t most_running)
      : ledger_(ledger), workers_(workers), most_running_(most_running) {}

  /// Throws ApiError: 401 without a valid key; 403 where none is needed, for what a web page of
  /// another origin has the user's browser send.
  /// Blocks on the ledger, from any thread. `asks` is what asks_for_key() said.
  Caller identify(const HttpRequest& request, bool asks);

  /// Whether any key was ever made: from then on one is asked for.
  boost::asio::awaitable<bool> asks_for_key();

  /// Counts a request as running while it lives.
  class Slot {
   public:
    Slot(Access& access, int64_t key) : access_(&access), key_(key) {}
    Slot(Slot&& other) noexcept
        : access_(std::exchange(other.access_, nullptr)), key_(other.key_) {}
    Slot& operator=(Slot&&) = delete;
    ~Slot();

   private:
    Access* access_;
    int64_t key_;
  };
  /// Throws ApiError 429 when the caller's key has too many running.
  Slot occupy(const Caller& caller);

 private:
  ledger::Ledger& ledger_;
  Workers& workers_;
  const int64_t most_running_;
  std::unordered_map<int64_t, int64_t> running_;  // by key
  bool has_keys_ = false;
  std::chrono::steady_clock::time_point looked_{};
};

}  // namespace fathom::api
