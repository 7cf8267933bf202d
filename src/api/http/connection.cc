#include "api/http/connection.h"

#include <fmt/format.h>

#include <charconv>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/http/status.hpp>

#include "base/check.h"

namespace fathom::api {
namespace {

// What a client may send ahead while its request is being answered.
constexpr size_t kMaxAhead = 64 << 10;

}  // namespace

Connection::Connection(std::unique_ptr<Transport> transport, asio::any_io_executor executor,
                       const HttpLimits& limits, const Timeouts& timeouts)
    : transport_(std::move(transport)),
      executor_(std::move(executor)),
      limits_(limits),
      timeouts_(timeouts),
      watch_ended_(executor_) {}

asio::awaitable<bool> Connection::handshake() {
  limit(timeouts_.header);
  error_code error;
  co_await transport_->handshake(error);
  no_limit();
  co_return !error;
}

// Appends to buffer_. False when the client went away. (GCC 12 makes a trap of a co_await that is
// an operand of && or ||, so none is here.)
asio::awaitable<bool> Connection::read_more() {
  error_code error;
  co_await transport_->read_into(buffer_, error);
  co_return !error;
}

asio::awaitable<std::optional<HttpRequest>> Connection::read() {
  RequestParser parser(limits_);
  bool told_to_continue = false;
  limit(timeouts_.idle);
  streaming_ = false;
  for (;;) {
    const bool began = parser.started();
    const bool had_header = parser.header_done();
    buffer_.erase(0, parser.push(buffer_));
    if (!began && parser.started()) limit(timeouts_.header);
    if (!had_header && parser.header_done()) limit(timeouts_.body);
    if (parser.done()) break;
    if (parser.header_done() && parser.expects_continue() &&
        !std::exchange(told_to_continue, true)) {
      co_await write_all("HTTP/1.1 100 Continue\r\n\r\n");
      limit(timeouts_.body);
    }
    idle_ = !parser.started();
    if (gone_) co_return std::nullopt;
    const bool more = co_await read_more();
    if (!more) {
      ended_ = true;
      co_return std::nullopt;
    }
  }
  idle_ = false;
  no_limit();
  if (buffer_.empty()) buffer_.shrink_to_fit();
  co_return parser.take();
}

void Connection::answer(const HttpRequest& request) {
  keep_alive_ = keep_alive_ && request.keep_alive;
  head_only_ = request.method == "HEAD";
  http_1_0_ = request.http_1_0;
}

std::string Connection::head(const Response& response, bool chunked) const {
  namespace http = boost::beast::http;
  std::string out =
      fmt::format("HTTP/1.1 {} {}\r\n", response.status,
                  std::string_view(http::obsolete_reason(http::int_to_status(response.status))));
  if (!response.content_type.empty()) {
    out += fmt::format("Content-Type: {}\r\n", response.content_type);
  }
  for (const auto& [name, value] : response.headers) out += fmt::format("{}: {}\r\n", name, value);
  if (response.status == 304) {
    // Has no body, and the length would be that of the body which it stands for.
  } else if (!chunked) {
    out += fmt::format("Content-Length: {}\r\n", response.body.size());
  } else if (!http_1_0_) {
    out += "Transfer-Encoding: chunked\r\n";
  }
  const bool keeps = keep_alive_ && !(chunked && http_1_0_);
  return out + (keeps ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n");
}

asio::awaitable<void> Connection::send(const Response& response) {
  std::string bytes = head(response, false);
  if (!head_only_) bytes += response.body;
  co_await write_all(bytes);
}

void Connection::start(const Response& response) {
  streaming_ = true;
  opening_ = head(response, true);
  if (http_1_0_) keep_alive_ = false;
}

/// What was to go before it, then `part` as the next of the body.
std::string Connection::next_part(std::string_view part) {
  std::string bytes = std::exchange(opening_, {});
  if (http_1_0_ || part.empty()) return bytes += part;
  char digits[16];
  const char* const end = std::to_chars(digits, std::end(digits), part.size(), 16).ptr;
  bytes.reserve(bytes.size() + part.size() + sizeof digits + 16);
  bytes.append(digits, static_cast<size_t>(end - digits))
      .append("\r\n")
      .append(part)
      .append("\r\n");
  return bytes;
}

bool Connection::write_now(std::string_view part) { return begin_write(next_part(part)); }

asio::awaitable<void> Connection::finish(std::string_view part) {
  std::string bytes = next_part(part);
  if (!http_1_0_) bytes += "0\r\n\r\n";
  co_await write_all(bytes);
}

asio::awaitable<void> Connection::write_all(std::string_view bytes) {
  if (!begin_write(bytes)) co_await flush();
}

// Nearly always all of it fits into the socket's buffer.
bool Connection::begin_write(std::string_view bytes) {
  FATHOM_CHECK(unsent_.empty());
  if (gone_ || bytes.empty()) return true;
  error_code error;
  const size_t written = transport_->write_now(asio::buffer(bytes.data(), bytes.size()), error);
  if (error) gone_ = true;
  if (!gone_) unsent_ = bytes.substr(written);
  return unsent_.empty();
}

asio::awaitable<void> Connection::flush() {
  limit(timeouts_.write);
  error_code error;
  co_await transport_->write(asio::buffer(unsent_), error);
  no_limit();
  unsent_ = {};
  if (error) gone_ = true;
}

void Connection::watch(std::function<void()> on_gone) {
  FATHOM_CHECK(!watching_);
  on_gone_ = std::move(on_gone);
  watching_ = true;
  stop_watching_ = false;
  watch_ended_.expires_at(asio::steady_timer::time_point::max());
  asio::co_spawn(executor_, watch_loop(), asio::detached);
}

// Reads on while a request is being answered: the end of the stream is the client's going away.
// What comes instead belongs to its next request.
asio::awaitable<void> Connection::watch_loop() {
  while (!stop_watching_ && buffer_.size() < kMaxAhead) {
    const bool more = co_await read_more();
    if (more || stop_watching_) continue;
    gone_ = true;
    transport_->close();
    on_gone_();
    break;
  }
  watching_ = false;
  watch_ended_.cancel();
}

asio::awaitable<void> Connection::unwatch() {
  stop_watching_ = true;
  while (watching_) {
    transport_->cancel();
    error_code ignored;
    co_await watch_ended_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  on_gone_ = nullptr;
}

asio::awaitable<void> Connection::shutdown() {
  if (!gone_ && !ended_) {
    limit(std::chrono::seconds(2));
    co_await transport_->shutdown();
  }
  // What the client still sends is read and dropped for a moment: closing with it unread would
  // reset the connection, and the response could be lost on its way.
  for (bool more = !ended_; more && !gone_;) {
    more = co_await read_more();
    buffer_.clear();
  }
  close();
}

void Connection::close() {
  gone_ = true;
  transport_->close();
}

void Connection::check_deadline(Clock::time_point now) {
  if (now >= deadline_) {
    no_limit();
    close();
  }
}

}  // namespace fathom::api
