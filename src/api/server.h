// Listens, and serves until it is told to stop.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "api/backend.h"
#include "api/http/connection.h"
#include "api/service.h"
#include "ledger/ledger.h"

namespace fathom::api {

struct ServerOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 8080;         ///< 0: any that is free
  std::string tls_certificate;  ///< PEM files; both or none
  std::string tls_key;
  int64_t max_connections = 10'000;
  int workers = 4;                 ///< threads for the ledger and for tokenizing
  std::chrono::seconds grace{30};  ///< for running answers when told to stop
  HttpLimits limits;
  Timeouts timeouts;
  ServiceOptions service;
};

class Server {
 public:
  /// Binds. Throws Error: kConflict for a port that is taken, kUsage for an address that is none,
  /// or one beyond this machine while no API key exists, kNotFound or kBadInput for TLS files.
  Server(Backend& backend, ledger::Ledger& ledger, ServerOptions options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// "http://127.0.0.1:8080"
  std::string url() const;

  /// Serves on this thread until stop(), then finishes what runs, for `grace` at most.
  void run();
  /// From any thread or signal. A second call ends the grace.
  void stop();
  /// SIGINT and SIGTERM call stop().
  void stop_on_signals();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fathom::api
