// The API: from a request to its response.
#pragma once

#include <memory>
#include <string>
#include <unordered_set>

#include <boost/asio/awaitable.hpp>

#include "api/access.h"
#include "api/answer_writer.h"
#include "api/backend.h"
#include "api/http/connection.h"
#include "api/inbox.h"
#include "api/metrics.h"
#include "api/request_log.h"
#include "api/till.h"
#include "api/workers.h"
#include "ledger/ledger.h"

namespace fathom::api {

struct ServiceOptions {
  std::string model = "deepseek-chat";           ///< the name that requests give
  std::chrono::milliseconds keep_alive{10'000};  ///< a waiting client hears this often
  int64_t key_concurrency = 0;                   ///< requests of one key at a time; 0: any number
  bool log_bodies = false;                       ///< what was said, too
};

/// On one executor. Backend, ledger and workers must outlive it.
class Service {
 public:
  Service(Backend& backend, ledger::Ledger& ledger, Workers& workers,
          asio::any_io_executor executor, ServiceOptions options);

  /// Answers one request, errors included. Never throws.
  asio::awaitable<void> handle(Connection& connection, HttpRequest request,
                               const std::string& peer);
  /// Answers what could not be read as a request.
  asio::awaitable<void> refuse(Connection& connection, const ApiError& error,
                               const std::string& peer);

  /// New requests get 503 and /ready says no.
  void drain() { draining_ = true; }
  /// Ends what is running: each answer with "insufficient_system_resource".
  void cancel_all();
  int64_t running() const { return static_cast<int64_t>(running_.size()); }
  Metrics& metrics() { return metrics_; }

 private:
  struct Exchange;
  struct Task;
  class Run;

  asio::awaitable<void> route(Exchange& exchange);
  asio::awaitable<void> route_get(Exchange& exchange);
  asio::awaitable<void> route_post(Exchange& exchange);
  asio::awaitable<void> serve_page(Exchange& exchange);
  asio::awaitable<void> serve_balance(Exchange& exchange);
  asio::awaitable<void> serve_info(Exchange& exchange);
  asio::awaitable<void> serve_models(Exchange& exchange);
  asio::awaitable<void> serve_tokenize(Exchange& exchange);
  using Reading = Task (Service::*)(const Exchange&, const Json&, const Caller&);
  asio::awaitable<void> serve_answer(Exchange& exchange, Reading reading);
  Task read_chat(const Exchange& exchange, const Json& body, const Caller& caller);
  Task read_completion(const Exchange& exchange, const Json& body, const Caller& caller);
  asio::awaitable<void> answer(Exchange& exchange, Task task);
  asio::awaitable<void> reply(Exchange& exchange, const Json& body);
  asio::awaitable<void> reply_error(Exchange& exchange, const ApiError& error);
  Caller identify(Exchange& exchange, bool asks);
  asio::awaitable<Caller> admit(Exchange& exchange);
  void check_model(const std::string& name) const;
  AnswerHead head(const Exchange& exchange) const;
  void finish(Exchange& exchange);

  Backend& backend_;
  ledger::Ledger& ledger_;
  Workers& workers_;
  Till till_;
  std::shared_ptr<Wakeups> wakeups_;
  const ServiceOptions options_;
  Access access_;
  Metrics metrics_;
  bool draining_ = false;
  std::unordered_set<Run*> running_;
  std::string next_;  // where a stream's next events are written, one stream after another
};

}  // namespace fathom::api
