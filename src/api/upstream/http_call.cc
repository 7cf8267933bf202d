#include "api/upstream/http_call.h"

#include <fmt/format.h>

#include <algorithm>

#include <boost/asio/connect.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/error.h"

namespace fathom::api {
namespace {

namespace http = boost::beast::http;
using asio::ip::tcp;

constexpr uint32_t kHeaderBytes = 64 << 10;
constexpr uint64_t kBodyBytes = uint64_t{256} << 20;

auto into(error_code& error) { return asio::redirect_error(asio::use_awaitable, error); }

std::string head_of(const CallTarget& target, const CallRequest& request) {
  std::string head = fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: fathom\r\n",
                                 request.method, request.path, target.url.authority());
  if (!target.key.empty()) head += fmt::format("Authorization: Bearer {}\r\n", target.key);
  if (!request.id.empty()) head += fmt::format("X-Request-Id: {}\r\n", request.id);
  if (request.method == "POST") {
    head += fmt::format("Content-Type: application/json\r\nContent-Length: {}\r\n",
                        request.body.size());
  }
  return head + "Accept: text/event-stream, application/json\r\nConnection: close\r\n\r\n";
}

/// Servers often end TLS without a word; whether the response was whole, its framing says.
bool is_end(const error_code& error) {
  return error == asio::error::eof || error == asio::ssl::error::stream_truncated;
}

}  // namespace

HttpCall::HttpCall(asio::any_io_executor executor, const CallTarget& target)
    : target_(target), resolver_(executor), socket_(executor) {
  parser_.header_limit(kHeaderBytes);
  parser_.body_limit(kBodyBytes);
  parser_.eager(true);
}

void HttpCall::fail_call(const char* doing, const std::string& problem) const {
  fail(ErrorKind::kIo, "upstream {}: {}: {}", target_.url.text(), doing, problem);
}

void HttpCall::check(const error_code& error, const char* doing) const {
  if (silent_) fail_call(doing, "it takes too long");
  if (closed_) fail_call(doing, "cancelled");
  if (error) fail_call(doing, error.message());
}

asio::awaitable<void> HttpCall::connect() {
  constexpr const char* kDoing = "connecting";
  limit(target_.connect_time);
  error_code error;
  check(error, kDoing);  // it may have been closed before it began
  const std::string port = std::to_string(target_.url.port);
  const auto endpoints = co_await resolver_.async_resolve(target_.url.host, port, into(error));
  check(error, kDoing);
  co_await asio::async_connect(socket_, endpoints, into(error));
  check(error, kDoing);
  socket_.set_option(tcp::no_delay(true), error);
  auto transport = target_.tls
                       ? tls_client_transport(std::move(socket_), *target_.tls, target_.url.host)
                       : plain_transport(std::move(socket_));
  Transport& connection = *transport;
  transport_ = std::move(transport);
  co_await connection.handshake(error);
  check(error, "TLS");
}

asio::awaitable<void> HttpCall::start(const CallRequest& request) {
  co_await connect();
  limit(target_.silence_time);
  const std::string bytes = head_of(target_, request) + request.body;
  error_code error;
  co_await transport_->write(asio::buffer(bytes), error);
  check(error, "sending the request");
  while (!parser_.is_header_done()) co_await read_more();
}

asio::awaitable<bool> HttpCall::read(std::string& part) {
  while (parser_.get().body().empty() && !parser_.is_done()) co_await read_more();
  part = std::move(parser_.get().body());
  parser_.get().body().clear();
  co_return !part.empty();
}

asio::awaitable<void> HttpCall::read_more() {
  constexpr const char* kDoing = "reading the answer";
  limit(target_.silence_time);
  error_code error;
  co_await transport_->read_into(buffer_, error);
  if (closed_ || (error && !is_end(error))) check(error, kDoing);
  if (error) {
    error_code incomplete;
    if (parser_.got_some()) parser_.put_eof(incomplete);
    if (incomplete || !parser_.got_some()) fail_call(kDoing, "it ends early");
    co_return;
  }
  feed(buffer_);
}

void HttpCall::feed(std::string_view bytes) {
  size_t used = 0;
  while (used < bytes.size() && !parser_.is_done()) {
    error_code error;
    const size_t taken = parser_.put(asio::buffer(bytes.data() + used, bytes.size() - used), error);
    used += taken;
    if (error == http::error::need_more) break;
    if (error) fail_call("reading the answer", error.message());
    if (taken == 0) break;
  }
  buffer_.erase(0, used);
}

void HttpCall::close() {
  closed_ = true;
  resolver_.cancel();
  error_code ignored;
  socket_.close(ignored);
  if (transport_) transport_->close();
}

void HttpCall::check_deadline(Clock::time_point now) {
  if (closed_ || now < std::min(deadline_, last_)) return;
  silent_ = true;
  past_end_ = now >= last_;
  close();
}

}  // namespace fathom::api
