// HTTP requests out of bytes that arrive in pieces.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

namespace fathom::api {

struct HttpRequest {
  std::string method;
  std::string path;   ///< of the target, percent escapes as they are
  std::string query;  ///< after '?'
  boost::beast::http::fields fields;
  std::string body;
  bool keep_alive = false;
  bool http_1_0 = false;

  std::string_view header(boost::beast::http::field name) const { return fields[name]; }
};

struct HttpLimits {
  uint32_t header_bytes = 32 << 10;
  uint64_t body_bytes = 8 << 20;
};

/// One request each.
class RequestParser {
 public:
  explicit RequestParser(const HttpLimits& limits);

  /// Takes what it can off the front of `bytes` and returns how much that was. Throws ApiError: 400
  /// for what is not HTTP/1, 413, 431 for what is too large.
  size_t push(std::string_view bytes);
  bool started() const { return started_; }
  bool header_done() const { return parser_.is_header_done(); }
  bool done() const { return parser_.is_done(); }
  /// The client waits for "100 Continue" before it sends the body.
  bool expects_continue() const;
  /// Once done().
  HttpRequest take();

 private:
  const HttpLimits limits_;
  boost::beast::http::request_parser<boost::beast::http::string_body> parser_;
  bool started_ = false;
};

}  // namespace fathom::api
