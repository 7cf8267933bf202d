#include "api/api_error.h"

#include <nlohmann/json.hpp>

namespace fathom::api {
namespace {

ErrorKind kind_of(int status) {
  switch (status) {
    case 404:
      return ErrorKind::kNotFound;
    case 422:
      return ErrorKind::kBadInput;
    case 402:
    case 429:
    case 503:
      return ErrorKind::kResource;
    case 500:
      return ErrorKind::kIo;
    default:
      return ErrorKind::kUsage;
  }
}

constexpr const char* kInvalidRequest = "invalid_request_error";

}  // namespace

ApiError::ApiError(int status, std::string type, const std::string& message)
    : Error(kind_of(status), message), status_(status), type_(std::move(type)) {}

std::string ApiError::body() const {
  // The service gives every error of the client's this code, whatever its type.
  const std::string code = status_ < 429 ? kInvalidRequest : type_;
  const nlohmann::ordered_json body = {
      {"error", {{"message", what()}, {"type", type_}, {"param", nullptr}, {"code", code}}}};
  return body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

ApiError invalid_request(const std::string& message) { return {400, kInvalidRequest, message}; }

ApiError wrong_field(const std::string& path, const std::string& problem) {
  return {422, kInvalidRequest,
          "Failed to deserialize the JSON body into the target type: " + path + ": " + problem};
}

ApiError unauthenticated() {
  return {401, "authentication_error", "Authentication Fails (no such user)"};
}

ApiError insufficient_balance() { return {402, "unknown_error", "Insufficient Balance"}; }

ApiError rate_limited() {
  return {429, "rate_limit_error",
          "Rate limit reached: this key has as many requests running as it may"};
}

ApiError overloaded(const std::string& message) {
  return {503, "service_unavailable_error", message};
}

ApiError server_error() { return {500, "server_error", "Internal server error"}; }

ApiError to_api_error(const std::exception& error) {
  if (const auto* api = dynamic_cast<const ApiError*>(&error)) return *api;
  if (dynamic_cast<const std::bad_alloc*>(&error)) return overloaded("The server is out of memory");
  const auto* known = dynamic_cast<const Error*>(&error);
  if (!known) return server_error();
  switch (known->kind()) {
    case ErrorKind::kUsage:
    case ErrorKind::kUnsupported:
      return invalid_request(known->what());
    case ErrorKind::kBadInput:
      return {422, kInvalidRequest, known->what()};
    case ErrorKind::kNotFound:
      return {404, kInvalidRequest, known->what()};
    case ErrorKind::kConflict:
      return {409, kInvalidRequest, known->what()};
    case ErrorKind::kResource:
      return overloaded(std::string("The server is overloaded: ") + known->what());
    case ErrorKind::kIo:
    case ErrorKind::kCancelled:
      break;
  }
  return server_error();
}

}  // namespace fathom::api
