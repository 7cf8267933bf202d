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
  Run(Service& service, Exchange& exchange, const Caller& caller, Task task);

  /// Sets the money aside and hands the request to the backend. Throws ApiError.
  asio::awaitable<void> start();
  /// Passes on what comes, until the answer is over.
  asio::awaitable<void> pump();
  /// Charges for what was used. Once after start().
  asio::awaitable<void> settle();
  /// The end of the body. Throws what kept the answer from beginning.
  asio::awaitable<void> conclude();

  /// Makes the backend stop; pump() then comes to its end.
  void stop();
  void client_left();

 private:
  asio::awaitable<void> take(const AnswerEvent& event, std::string& out);
  asio::awaitable<void> send(std::string_view part);
  void spend_out(std::string& out);
  std::string outcome() const;
  void observe(const ledger::Tokens& used);

  Service& service_;
  Exchange& exchange_;
  Task task_;
  Bill bill_;
  std::shared_ptr<Inbox> inbox_;
  std::optional<AnswerResult> result_;
  std::vector<std::string> finish_reasons_;  // by choice
  int64_t delivered_ = 0;                    // output tokens
  double first_token_ = 0;
  bool left_ = false;   // the client did
  bool spent_ = false;  // the balance is
};

}  // namespace fathom::api
