#include "api/server.h"

#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <csignal>
#include <optional>
#include <unordered_set>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/error.h"

namespace fathom::api {
namespace {

using asio::ip::tcp;
using namespace std::chrono_literals;

/// Each connection needs a descriptor, and the usual limit is 1024.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

tcp::endpoint resolve(asio::io_context& io, const ServerOptions& options) {
  error_code error;
  const auto found = tcp::resolver(io).resolve(options.host, std::to_string(options.port),
                                               tcp::resolver::passive, error);
  if (error || found.empty()) {
    fail(ErrorKind::kUsage, "--host {}: {}", options.host, error.message());
  }
  return found.begin()->endpoint();
}

std::optional<asio::ssl::context> make_tls(const ServerOptions& options) {
  if (options.tls_certificate.empty() != options.tls_key.empty()) {
    fail(ErrorKind::kUsage, "--tls-cert and --tls-key: expected both or none");
  }
  if (options.tls_certificate.empty()) return std::nullopt;
  asio::ssl::context context(asio::ssl::context::tls_server);
  context.set_options(asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1);
  // Idle connections give their record buffers back.
  SSL_CTX_set_mode(context.native_handle(), SSL_MODE_RELEASE_BUFFERS);
  error_code error;
  context.use_certificate_chain_file(options.tls_certificate, error);
  if (error) {
    fail(ErrorKind::kBadInput, "--tls-cert {}: {}", options.tls_certificate, error.message());
  }
  context.use_private_key_file(options.tls_key, asio::ssl::context::pem, error);
  if (error) fail(ErrorKind::kBadInput, "--tls-key {}: {}", options.tls_key, error.message());
  return context;
}

}  // namespace

struct Server::State {
  State(Backend& backend, ledger::Ledger& ledger, ServerOptions given)
      : options(std::move(given)),
        ledger(ledger),
        workers(static_cast<size_t>(options.workers)),
        tls(make_tls(options)),
        acceptor(io),
        signals(io),
        sweeper(io),
        heart(io),
        service(backend, ledger, workers, io.get_executor(), options.service) {
    raise_descriptor_limit();
    listen();
  }

  void listen();
  void stop();
  asio::awaitable<void> accept();
  asio::awaitable<void> serve(tcp::socket socket);
  asio::awaitable<void> converse(Connection& connection, const std::string& peer);
  asio::awaitable<void> sweep();
  asio::awaitable<void> beat();
  void close_idle();

  const ServerOptions options;
  ledger::Ledger& ledger;
  Workers workers;
  asio::io_context io{1};  // one thread: what it touches needs no locks
  std::optional<asio::ssl::context> tls;
  tcp::acceptor acceptor;
  asio::signal_set signals;
  asio::steady_timer sweeper;
  asio::steady_timer heart;
  Service service;
  std::unordered_set<Connection*> connections;
  bool stopping = false;
  bool done = false;  // stopping, and no connection is left
  std::chrono::steady_clock::time_point give_up{};
};

void Server::State::listen() {
  const tcp::endpoint endpoint = resolve(io, options);
  if (!endpoint.address().is_loopback() && !ledger.has_keys()) {
    fail(ErrorKind::kUsage,
         "--host {}: no API key exists, so anybody could use this server: make one with `fathom "
         "keys create`, or listen on 127.0.0.1",
         options.host);
  }
  error_code error;
  acceptor.open(endpoint.protocol());
  acceptor.set_option(tcp::acceptor::reuse_address(true));
  acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(4096, error);
  if (error) {
    fail(error == asio::error::address_in_use ? ErrorKind::kConflict : ErrorKind::kIo,
         "--host {} --port {}: {}", options.host, options.port, error.message());
  }
}

asio::awaitable<void> Server::State::accept() {
  while (!stopping) {
    error_code error;
    tcp::socket socket =
        co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (!error) {
      asio::co_spawn(io, serve(std::move(socket)), asio::detached);
    } else if (!stopping) {
      // Out of descriptors, most likely: others will close.
      asio::steady_timer pause(io, 50ms);
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
    }
  }
}

asio::awaitable<void> Server::State::serve(tcp::socket socket) {
  error_code error;
  socket.set_option(tcp::no_delay(true), error);
  const tcp::endpoint remote = socket.remote_endpoint(error);
  const std::string peer = error ? "?" : remote.address().to_string();
  Connection connection(
      tls ? tls_transport(std::move(socket), *tls) : plain_transport(std::move(socket)),
      io.get_executor(), options.limits, options.timeouts);
  connections.insert(&connection);
  service.metrics().connection_opened();
  try {
    co_await converse(connection, peer);
  } catch (const std::exception& problem) {
    spdlog::error("connection of {}: {}", peer, problem.what());
    connection.close();
  }
  service.metrics().connection_closed();
  connections.erase(&connection);
}

asio::awaitable<void> Server::State::converse(Connection& connection, const std::string& peer) {
  if (!co_await connection.handshake()) co_return;
  std::optional<ApiError> refusal;
  if (std::ssize(connections) > options.max_connections) {
    refusal = overloaded("The server has as many connections as it may");
  }
  while (!refusal) {
    std::optional<HttpRequest> request;
    try {
      request = co_await connection.read();
    } catch (const ApiError& error) {
      refusal = error;
      break;
    }
    if (!request) break;
    co_await service.handle(connection, std::move(*request), peer);
    if (!connection.keeps_alive()) break;
  }
  if (refusal) co_await service.refuse(connection, *refusal, peer);
  co_await connection.shutdown();
}

void Server::State::close_idle() {
  for (Connection* connection : connections) {
    if (connection->idle()) connection->close();
  }
}

// Once a second: connections past their deadlines, and the end of a stop.
asio::awaitable<void> Server::State::sweep() {
  for (;;) {
    const auto now = std::chrono::steady_clock::now();
    for (Connection* connection : connections) connection->check_deadline(now);
    if (stopping) {
      close_idle();
      if (connections.empty()) break;
      if (now >= give_up) service.cancel_all();
      // Those that do not even take the end of their answer.
      if (now >= give_up + 5s) {
        for (Connection* connection : connections) connection->close();
      }
    }
    sweeper.expires_after(stopping ? 50ms : 1000ms);
    error_code ignored;
    co_await sweeper.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  done = true;
  heart.cancel();
  signals.cancel();
}

// Tells the other servers on this ledger that we live, settles for those that died, and what could
// not be settled before; the last time when all connections are closed.
asio::awaitable<void> Server::State::beat() {
  for (;;) {
    const bool last = done;
    try {
      const int64_t recovered = co_await run_on(workers, [this] {
        ledger.heartbeat();
        return ledger.recover();
      });
      if (recovered > 0) spdlog::warn("settled {} requests of a server that died", recovered);
    } catch (const std::exception& error) {
      spdlog::error("ledger: {}", error.what());
    }
    if (last) break;
    if (done) continue;
    heart.expires_after(5s);
    error_code ignored;
    co_await heart.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

void Server::State::stop() {
  const auto now = std::chrono::steady_clock::now();
  if (stopping) {
    give_up = now;
  } else {
    spdlog::info("stopping: {} answers are running, {} s for them", service.running(),
                 options.grace.count());
    stopping = true;
    give_up = now + options.grace;
    service.drain();
    error_code ignored;
    acceptor.close(ignored);
  }
  sweeper.cancel();
}

Server::Server(Backend& backend, ledger::Ledger& ledger, ServerOptions options)
    : state_(std::make_unique<State>(backend, ledger, std::move(options))) {}

Server::~Server() { state_->workers.join(); }

std::string Server::url() const {
  const tcp::endpoint local = state_->acceptor.local_endpoint();
  std::string host = local.address().to_string();
  if (local.address().is_v6()) host = "[" + host + "]";
  return (state_->tls ? "https://" : "http://") + host + ":" + std::to_string(local.port());
}

void Server::run() {
  asio::co_spawn(state_->io, state_->accept(), asio::detached);
  asio::co_spawn(state_->io, state_->sweep(), asio::detached);
  asio::co_spawn(state_->io, state_->beat(), asio::detached);
  state_->io.run();
}

void Server::stop() {
  asio::post(state_->io, [state = state_.get()] { state->stop(); });
}

void Server::stop_on_signals() {
  state_->signals.add(SIGINT);
  state_->signals.add(SIGTERM);
  const auto wait = [state = state_.get()](const auto& self) -> void {
    state->signals.async_wait([state, self](const error_code& error, int) {
      if (error) return;
      state->stop();
      self(self);
    });
  };
  wait(wait);
}

}  // namespace fathom::api
