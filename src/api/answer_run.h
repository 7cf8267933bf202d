// One answer from the backend to the client, inside the service.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/exchange.h"

namespace fathom::api {

class Service::Run {
 public:
  Run(Service& service, Exchange& exchange, Task task);

  /// Hands the request to the backend. Throws ApiError.
  asio::awaitable<void> start();
  /// Passes on what comes, until the answer is over or cannot go on.
  asio::awaitable<void> pump();
  /// Charges for what was used. Once after start().
  asio::awaitable<void> settle();
  /// The end of the body, with what went wrong. Throws what kept the answer from beginning.
  asio::awaitable<void> conclude();

  /// Makes the backend stop; pump() then comes to its end.
  void stop();
  void client_left();

 private:
  asio::awaitable<void> pass_all_on();
  bool pass_on(Inbox::Batch& batch);
  asio::awaitable<void> flush();
  void put_off_keep_alive();
  void note(const AnswerEvent& event);
  bool wants_cover(const AnswerEvent& event) const;
  void take(const AnswerEvent& event, std::string& out);
  void start_body();
  void spend_out(std::string& out);
  asio::awaitable<int64_t> completion();
  ApiError told(const std::exception_ptr& problem);
  std::string outcome() const;
  void observe(const ledger::Tokens& used);

  Service& service_;
  Exchange& exchange_;
  Task task_;
  Bill& bill_;
  std::shared_ptr<Inbox> inbox_;
  std::optional<AnswerResult> result_;
  std::vector<std::string> finish_reasons_;  // by choice
  int64_t delivered_ = 0;                    // output tokens
  double first_token_ = 0;
  Inbox::Clock::time_point keep_alive_at_{};
  std::exception_ptr failure_;  // ours, not the backend's
  bool left_ = false;           // the client did
  bool spent_ = false;          // the balance is
};

}  // namespace fathom::api
