// Errors as the public API words them.
#pragma once

#include <exception>
#include <string>

#include "base/error.h"

namespace fathom::api {

/// An error with the HTTP status and the body that DeepSeek's API gives it.
class ApiError : public Error {
 public:
  ApiError(int status, std::string type, const std::string& message);
  int status() const { return status_; }
  const std::string& type() const { return type_; }

  /// {"error":{"message","type","param":null,"code"}}, always valid UTF-8.
  std::string body() const;

 private:
  int status_;
  std::string type_;
};

/// 400: a value that this request may not have.
ApiError invalid_request(const std::string& message);
/// 422: a field of the wrong type; `path` is "messages[0].role".
ApiError wrong_field(const std::string& path, const std::string& problem);
ApiError unauthenticated();
ApiError insufficient_balance();
ApiError rate_limited();
ApiError overloaded(const std::string& message);
ApiError server_error();

/// What the client is told of an exception. What only the operator should see (paths, a database's
/// words) becomes a plain "Internal server error".
ApiError to_api_error(const std::exception& error);

}  // namespace fathom::api
