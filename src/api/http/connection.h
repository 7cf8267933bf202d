// One client's connection: requests in, responses out.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include "api/http/request_parser.h"
#include "api/http/transport.h"

namespace fathom::api {

struct Timeouts {
  std::chrono::seconds header{15};  ///< from a request's first byte to the end of its header
  std::chrono::seconds body{60};    ///< and from there to the end of its body
  std::chrono::seconds idle{75};    ///< between requests
  std::chrono::seconds write{60};   ///< for a client to take what is written
};

using Headers = std::vector<std::pair<std::string_view, std::string>>;

struct Response {
  int status = 200;
  std::string_view content_type = "application/json";
  std::string_view body;
  Headers headers;
};

/// On one executor, like all of its callers.
class Connection {
 public:
  using Clock = std::chrono::steady_clock;

  Connection(std::unique_ptr<Transport> transport, asio::any_io_executor executor,
             const HttpLimits& limits, const Timeouts& timeouts);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  asio::awaitable<bool> handshake();
  /// The next request; nothing when the client went away. Throws ApiError for what is none, after
  /// which a response may still be sent, and the connection must end.
  asio::awaitable<std::optional<HttpRequest>> read();

  /// What the responses to `request` need to know of it.
  void answer(const HttpRequest& request);
  /// A whole response. HEAD gets no body.
  asio::awaitable<void> send(const Response& response);
  /// A response whose body comes in parts, write_now() by write_now(), until finish().
  /// The head goes out with the first part.
  void start(const Response& response);
  /// False when flush() must follow before the next part: most fit into the socket's buffer, and
  /// nobody has to wait.
  bool write_now(std::string_view part);
  asio::awaitable<void> flush();
  bool flushed() const { return unsent_.empty(); }
  /// The last part and the body's end.
  asio::awaitable<void> finish(std::string_view part);
  /// start() was called.
  bool started() const { return streaming_; }

  /// Watches for the client's going away until unwatch() returns; calls `on_gone` then.
  void watch(std::function<void()> on_gone);
  asio::awaitable<void> unwatch();
  /// The client went away, or took too long.
  bool gone() const { return gone_; }

  bool keeps_alive() const { return keep_alive_ && !gone_; }
  void no_keep_alive() { keep_alive_ = false; }
  /// Nothing but waiting for the next request.
  bool idle() const { return idle_; }

  asio::awaitable<void> shutdown();
  void close();
  /// Closes when it is past its deadline. To be called every second or so.
  void check_deadline(Clock::time_point now);

 private:
  asio::awaitable<void> write_all(std::string_view bytes);
  bool begin_write(std::string_view bytes);
  std::string next_part(std::string_view part);
  asio::awaitable<bool> read_more();
  asio::awaitable<void> watch_loop();
  std::string head(const Response& response, bool chunked) const;
  void limit(std::chrono::seconds time) { deadline_ = Clock::now() + time; }
  void no_limit() { deadline_ = Clock::time_point::max(); }

  std::unique_ptr<Transport> transport_;
  asio::any_io_executor executor_;
  const HttpLimits limits_;
  const Timeouts timeouts_;
  std::string buffer_;   // read and not yet parsed
  std::string opening_;  // the head that goes before the first part
  std::string unsent_;   // what flush() is for
  Clock::time_point deadline_ = Clock::time_point::max();
  bool keep_alive_ = true;
  bool head_only_ = false;
  bool http_1_0_ = false;
  bool streaming_ = false;
  bool gone_ = false;
  bool ended_ = false;  // the client sends no more
  bool idle_ = true;

  std::function<void()> on_gone_;
  bool watching_ = false;
  bool stop_watching_ = false;
  asio::steady_timer watch_ended_;
};

}  // namespace fathom::api
