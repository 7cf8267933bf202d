// One request and what becomes of it, inside the service.
#pragma once

#include <chrono>
#include <string>

#include "api/bill.h"
#include "api/http/connection.h"
#include "api/request_log.h"
#include "api/service.h"

namespace fathom::api {

struct Service::Exchange {
  Exchange(Connection& connection, HttpRequest request)
      : connection(connection), request(std::move(request)) {}

  Connection& connection;
  HttpRequest request;
  RequestRecord record = {};
  std::chrono::steady_clock::time_point began = std::chrono::steady_clock::now();
  std::string endpoint;  ///< the path without /v1 or /beta; of unknown paths "other"
  bool beta = false;     ///< the request came under /beta

  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  }
};

/// A request that the backend has taken, how its answer is written, and the money set aside for it.
struct Service::Task {
  std::unique_ptr<Answer> answer;
  std::unique_ptr<AnswerWriter> writer;
  int64_t choices = 1;
  std::unique_ptr<Bill> bill;
};

}  // namespace fathom::api
