// A connection's bytes, plain or under TLS.
#pragma once

#include <memory>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/system/error_code.hpp>

namespace fathom::api {

namespace asio = boost::asio;
using boost::system::error_code;

/// Used on its executor only. One read and one write may run at a time.
class Transport {
 public:
  virtual ~Transport() = default;
  /// Of TLS; nothing to do for plain ones.
  virtual asio::awaitable<void> handshake(error_code& error) = 0;
  /// Appends what comes next, a byte at least unless there is an error.
  virtual asio::awaitable<void> read_into(std::string& to, error_code& error) = 0;
  virtual asio::awaitable<void> write(asio::const_buffer buffer, error_code& error) = 0;
  /// Writes as much as goes without waiting, and returns how much that was.
  virtual size_t write_now(asio::const_buffer buffer, error_code& error) = 0;
  /// Says goodbye: what was written reaches the peer.
  virtual asio::awaitable<void> shutdown() = 0;
  /// Ends what runs with an error, at once.
  virtual void close() = 0;
  /// Ends a read that runs; the connection stays good.
  virtual void cancel() = 0;
};

std::unique_ptr<Transport> plain_transport(asio::ip::tcp::socket socket);
/// `context` must outlive it.
std::unique_ptr<Transport> tls_transport(asio::ip::tcp::socket socket, asio::ssl::context& context);
/// Our end is the client's: the server must have a certificate for `host` that `context` trusts.
std::unique_ptr<Transport> tls_client_transport(asio::ip::tcp::socket socket,
                                                asio::ssl::context& context,
                                                const std::string& host);

}  // namespace fathom::api
