// One request to another HTTP server, on a connection of its own.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "api/http/transport.h"
#include "base/http_address.h"

namespace fathom::api {

/// What calls to one server have in common.
struct CallTarget {
  HttpAddress url;
  asio::ssl::context* tls = nullptr;  ///< of an https address
  std::string key;                    ///< for the Authorization header; may be empty
  std::chrono::seconds connect_time{10};
  std::chrono::seconds silence_time{600};  ///< the longest that it may send nothing
};

struct CallRequest {
  std::string method = "POST";
  std::string path;
  std::string body;
  std::string id;  ///< for X-Request-Id; may be empty
};

/// On one executor, like all of its callers. Follows no redirect: only `target` is ever talked to.
class HttpCall {
 public:
  using Clock = std::chrono::steady_clock;

  /// `target` must outlive it.
  HttpCall(asio::any_io_executor executor, const CallTarget& target);

  /// Connects, sends, and reads the header of the response. Throws Error(kIo).
  asio::awaitable<void> start(const CallRequest& request);
  int status() const { return static_cast<int>(parser_.get().result_int()); }
  /// The next part of the body; false at its end. Throws Error(kIo) when the connection breaks
  /// before.
  asio::awaitable<bool> read(std::string& part);

  /// A connection was made: a failure before that means that nobody is there.
  bool connected() const { return transport_ != nullptr; }
  /// Ends what runs with an error. From the executor.
  void close();
  /// Ends it at `last` whatever happens.
  void end_at(Clock::time_point last) { last_ = last; }
  bool past_end() const { return past_end_; }
  /// Closes it when it is past its deadlines. To be called every second or so.
  void check_deadline(Clock::time_point now);

 private:
  asio::awaitable<void> connect();
  asio::awaitable<void> read_more();
  void feed(std::string_view bytes);
  void limit(std::chrono::seconds time) { deadline_ = Clock::now() + time; }
  void check(const error_code& error, const char* doing) const;
  [[noreturn]] void fail_call(const char* doing, const std::string& problem) const;

  const CallTarget& target_;
  asio::ip::tcp::resolver resolver_;
  asio::ip::tcp::socket socket_;
  std::unique_ptr<Transport> transport_;
  boost::beast::http::response_parser<boost::beast::http::string_body> parser_;
  std::string buffer_;
  Clock::time_point deadline_ = Clock::time_point::max();
  Clock::time_point last_ = Clock::time_point::max();
  bool closed_ = false;
  bool silent_ = false;  // closed because of a deadline
  bool past_end_ = false;
};

}  // namespace fathom::api
