#include "eval/run/http_client.h"

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>

#include "base/error.h"

namespace fathom::eval {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::use_awaitable;

constexpr uint64_t kMaxReplyBytes = uint64_t{64} << 20;

using Request = http::request<http::string_body>;

template <typename Stream>
asio::awaitable<HttpReply> exchange(Stream& stream, const Request& request) {
  co_await http::async_write(stream, request, use_awaitable);
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(kMaxReplyBytes);
  co_await http::async_read(stream, buffer, parser, use_awaitable);
  auto response = parser.release();
  HttpReply reply{static_cast<int>(response.result_int()), std::move(response.body()), {}};
  if (const auto after = response.find(http::field::retry_after); after != response.end()) {
    const std::string text(after->value());
    char* end = nullptr;
    const double seconds = std::strtod(text.c_str(), &end);
    if (end != text.c_str() && *end == '\0' && seconds >= 0) reply.retry_after = seconds;
  }
  co_return reply;
}

asio::awaitable<HttpReply> post(const HttpAddress& address, const Request& request,
                                std::chrono::seconds timeout) {
  const auto executor = co_await asio::this_coro::executor;
  asio::ip::tcp::resolver resolver(executor);
  const auto endpoints =
      co_await resolver.async_resolve(address.host, std::to_string(address.port), use_awaitable);
  if (!address.tls) {
    beast::tcp_stream stream(executor);
    stream.expires_after(timeout);
    co_await stream.async_connect(endpoints, use_awaitable);
    co_return co_await exchange(stream, request);
  }
  asio::ssl::context tls(asio::ssl::context::tls_client);
  tls.set_default_verify_paths();
  tls.set_verify_mode(asio::ssl::verify_peer);
  beast::ssl_stream<beast::tcp_stream> stream(executor, tls);
  stream.set_verify_callback(asio::ssl::host_name_verification(address.host));
  SSL_set_tlsext_host_name(stream.native_handle(), address.host.c_str());
  beast::get_lowest_layer(stream).expires_after(timeout);
  co_await beast::get_lowest_layer(stream).async_connect(endpoints, use_awaitable);
  co_await stream.async_handshake(asio::ssl::stream_base::client, use_awaitable);
  co_return co_await exchange(stream, request);
}

}  // namespace

HttpReply http_post(const HttpAddress& address, const std::string& path,
                    const std::map<std::string, std::string>& headers, const std::string& body,
                    std::chrono::seconds timeout) {
  Request request(http::verb::post, address.path + path, 11);
  request.set(http::field::host, address.authority());
  request.set(http::field::user_agent, "fathom-eval");
  request.set(http::field::content_type, "application/json");
  request.set(http::field::connection, "close");
  for (const auto& [name, value] : headers) request.set(name, value);
  request.body() = body;
  request.prepare_payload();

  asio::io_context context(1);
  HttpReply reply;
  std::exception_ptr failure;
  asio::co_spawn(context, post(address, request, timeout),
                 [&](std::exception_ptr error, HttpReply got) {
                   failure = error;
                   reply = std::move(got);
                 });
  context.run();
  try {
    if (failure) std::rethrow_exception(failure);
  } catch (const boost::system::system_error& error) {
    fail(ErrorKind::kIo, "{}: {}", address.authority(), error.code().message());
  }
  return reply;
}

}  // namespace fathom::eval
