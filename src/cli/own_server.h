// `fathom serve` as a child of this process, for commands that talk to a model over HTTP.
#pragma once

#include <sys/types.h>

#include <string>

namespace fathom::cli {

/// Serves a model's directory on a free port of the loopback, with a ledger and a cache of its own
/// that nobody else sees. The constructor returns when it answers; the destructor stops it and
/// removes what it wrote. The child also stops when this process dies.
class OwnServer {
 public:
  /// `model` is its name in requests. Throws Error(kIo) with the last thing it said where it does
  /// not start.
  OwnServer(const std::string& dir, const std::string& model);
  ~OwnServer();
  OwnServer(const OwnServer&) = delete;
  OwnServer& operator=(const OwnServer&) = delete;

  /// "http://127.0.0.1:PORT"
  const std::string& url() const { return url_; }

 private:
  void start(const std::string& dir, const std::string& model);
  void wait_until_serving(int out);
  void stop();

  std::string folder_;
  std::string url_;
  pid_t pid_ = 0;
};

}  // namespace fathom::cli
