#include "api/http/request_parser.h"

#include <fmt/format.h>

#include <boost/asio/buffer.hpp>

#include "api/api_error.h"

namespace fathom::api {
namespace {

namespace http = boost::beast::http;

ApiError bad_message(const boost::system::error_code& error, const HttpLimits& limits) {
  if (error == http::error::body_limit) {
    return {413, "invalid_request_error",
            fmt::format("The request body is larger than {} bytes", limits.body_bytes)};
  }
  if (error == http::error::header_limit) {
    return {431, "invalid_request_error",
            fmt::format("The request header is larger than {} bytes", limits.header_bytes)};
  }
  return invalid_request("Not a valid HTTP/1.1 request: " + error.message());
}

// What follows "http://host" in the form that is meant for proxies, which servers take as well.
std::string_view origin_form(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!boost::beast::iequals(target.substr(0, scheme.size()), scheme)) continue;
    const size_t path = target.find_first_of("/?", scheme.size());
    if (path == std::string_view::npos) return "/";
    return target.substr(path);
  }
  return target;
}

}  // namespace

RequestParser::RequestParser(const HttpLimits& limits) : limits_(limits) {
  parser_.header_limit(limits.header_bytes);
  parser_.body_limit(limits.body_bytes);
  parser_.eager(true);
}

size_t RequestParser::push(std::string_view bytes) {
  size_t used = 0;
  // Empty lines between requests mean nothing; some clients send one after a body.
  while (!started_ && bytes.substr(used).starts_with("\r\n")) used += 2;
  started_ = started_ || used < bytes.size();
  while (used < bytes.size() && !done()) {
    boost::system::error_code error;
    const std::string_view rest = bytes.substr(used);
    const size_t taken = parser_.put(boost::asio::buffer(rest.data(), rest.size()), error);
    used += taken;
    if (error == http::error::need_more) break;
    if (error) throw bad_message(error, limits_);
    if (taken == 0) break;
  }
  return used;
}

bool RequestParser::expects_continue() const {
  return boost::beast::iequals(parser_.get()[http::field::expect], "100-continue");
}

HttpRequest RequestParser::take() {
  auto message = parser_.release();
  HttpRequest request;
  request.keep_alive = message.keep_alive();
  request.http_1_0 = message.version() < 11;
  request.method = std::string(message.method_string());
  const std::string_view target = origin_form(message.target());
  const size_t question = target.find('?');
  request.path = std::string(target.substr(0, question));
  if (question != std::string_view::npos) request.query = std::string(target.substr(question + 1));
  request.body = std::move(message.body());
  request.fields = std::move(message.base());
  return request;
}

}  // namespace fathom::api
