#include "api/http/transport.h"

#include <boost/asio/error.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

namespace fathom::api {
namespace {

using asio::ip::tcp;

constexpr size_t kReadSize = 16 << 10;

auto into(error_code& error) { return asio::redirect_error(asio::use_awaitable, error); }

class Plain final : public Transport {
 public:
  explicit Plain(tcp::socket socket) : socket_(std::move(socket)) {
    error_code ignored;
    socket_.non_blocking(true, ignored);
  }

  asio::awaitable<void> handshake(error_code& error) override {
    error = {};
    co_return;
  }
  // Memory is taken once there is something to read: most connections wait most of the time.
  asio::awaitable<void> read_into(std::string& to, error_code& error) override {
    do {
      co_await socket_.async_wait(tcp::socket::wait_read, into(error));
      if (!error) take(to, error);
    } while (error == asio::error::would_block);
  }
  asio::awaitable<void> write(asio::const_buffer buffer, error_code& error) override {
    co_await asio::async_write(socket_, buffer, into(error));
  }
  size_t write_now(asio::const_buffer buffer, error_code& error) override {
    const size_t written = socket_.write_some(asio::buffer(buffer), error);
    if (error == asio::error::would_block) error = {};
    return written;
  }
  asio::awaitable<void> shutdown() override {
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
    co_return;
  }
  void close() override {
    error_code ignored;
    socket_.close(ignored);
  }
  void cancel() override {
    error_code ignored;
    socket_.cancel(ignored);
  }

 private:
  void take(std::string& to, error_code& error) {
    char bytes[kReadSize];
    to.append(bytes, socket_.read_some(asio::buffer(bytes), error));
  }

  tcp::socket socket_;
};

class Tls final : public Transport {
 public:
  Tls(tcp::socket socket, asio::ssl::context& context)
      : stream_(std::move(socket), context), side_(asio::ssl::stream_base::server) {}
  Tls(tcp::socket socket, asio::ssl::context& context, const std::string& host)
      : stream_(std::move(socket), context), side_(asio::ssl::stream_base::client) {
    error_code no_address;
    asio::ip::make_address(host, no_address);
    // Servers that have several names choose the certificate by it.
    if (no_address) SSL_set_tlsext_host_name(stream_.native_handle(), host.c_str());
    stream_.set_verify_mode(asio::ssl::verify_peer);
    stream_.set_verify_callback(asio::ssl::host_name_verification(host));
  }

  asio::awaitable<void> handshake(error_code& error) override {
    co_await stream_.async_handshake(side_, into(error));
  }
  asio::awaitable<void> read_into(std::string& to, error_code& error) override {
    const size_t before = to.size();
    to.resize(before + kReadSize);
    const size_t got =
        co_await stream_.async_read_some(asio::buffer(to.data() + before, kReadSize), into(error));
    to.resize(before + got);
  }
  asio::awaitable<void> write(asio::const_buffer buffer, error_code& error) override {
    co_await asio::async_write(stream_, buffer, into(error));
  }
  size_t write_now(asio::const_buffer, error_code& error) override {
    error = {};  // it may have to wait for a read, which is not to be mixed with ours
    return 0;
  }
  asio::awaitable<void> shutdown() override {
    error_code ignored;
    co_await stream_.async_shutdown(into(ignored));
  }
  void close() override {
    error_code ignored;
    stream_.lowest_layer().close(ignored);
  }
  void cancel() override {
    error_code ignored;
    stream_.lowest_layer().cancel(ignored);
  }

 private:
  asio::ssl::stream<tcp::socket> stream_;
  const asio::ssl::stream_base::handshake_type side_;
};

}  // namespace

std::unique_ptr<Transport> plain_transport(tcp::socket socket) {
  return std::make_unique<Plain>(std::move(socket));
}

std::unique_ptr<Transport> tls_transport(tcp::socket socket, asio::ssl::context& context) {
  return std::make_unique<Tls>(std::move(socket), context);
}

std::unique_ptr<Transport> tls_client_transport(tcp::socket socket, asio::ssl::context& context,
                                                const std::string& host) {
  return std::make_unique<Tls>(std::move(socket), context, host);
}

}  // namespace fathom::api
