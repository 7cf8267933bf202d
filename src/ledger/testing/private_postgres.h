// A PostgreSQL of the test's own: a fresh cluster in a temporary folder, on a Unix socket only,
// removed at the end. PostgreSQL refuses to run as root, so root becomes the package's user.
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

namespace fathom::ledger::testing {

class PrivatePostgres {
 public:
  /// Copies a cluster that is made once in `cache` (making one takes seconds, a copy does not).
  /// Throws std::runtime_error when PostgreSQL is not installed or does not start.
  explicit PrivatePostgres(const std::string& cache) {
    char pattern[] = "/tmp/fathom-pg-XXXXXX";
    if (!mkdtemp(pattern)) throw std::runtime_error("mkdtemp failed");
    folder_ = pattern;
    sh("chmod 755 " + folder_);
    make_template(cache);
    sh("cp -r " + cache + "/data " + folder_ + "/data && chmod 700 " + folder_ + "/data");
    if (is_root()) sh("chown -R postgres:postgres " + folder_);
    sh(as_user() + "env -u LC_ALL " + bin() + "/pg_ctl -s -D " + folder_ + "/data -w -t 60 -l " +
       folder_ + "/log -o '-c listen_addresses= -c unix_socket_directories=" + folder_ +
       " -c fsync=off -c max_connections=200' start >/dev/null 2>&1");
  }

  ~PrivatePostgres() {
    stop();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  PrivatePostgres(const PrivatePostgres&) = delete;
  PrivatePostgres& operator=(const PrivatePostgres&) = delete;

  std::string uri() const {
    std::string host;
    for (const char c : folder_) host += c == '/' ? std::string("%2F") : std::string(1, c);
    return "postgres://fathom@" + host + "/postgres";
  }

  /// As a power cut would: no goodbye to the clients.
  void stop() {
    std::system((as_user() + bin() + "/pg_ctl -s -D " + folder_ +
                 "/data -w -m immediate stop >/dev/null 2>&1")
                    .c_str());
  }

 private:
  static bool is_root() { return geteuid() == 0; }
  static std::string as_user() {
    return is_root() ? "setpriv --reuid=postgres --regid=postgres --clear-groups " : "";
  }

  static std::string bin() {
    std::string newest;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator("/usr/lib/postgresql", ignored)) {
      newest = std::max(newest, entry.path().string() + "/bin");
    }
    if (newest.empty()) throw std::runtime_error("no PostgreSQL under /usr/lib/postgresql");
    return newest;
  }

  static void sh(const std::string& command) {
    if (std::system(("cd / && " + command).c_str()) != 0) {
      throw std::runtime_error("failed: " + command);
    }
  }

  void make_template(const std::string& cache) {
    std::filesystem::create_directories(cache);
    const int lock = open((cache + "/lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644);
    flock(lock, LOCK_EX);
    if (!std::filesystem::exists(cache + "/data/PG_VERSION")) {
      const std::string made = folder_ + "/made";
      sh("mkdir " + made + (is_root() ? " && chown postgres " + made : ""));
      sh(as_user() + bin() + "/initdb -D " + made +
         " --no-sync -A trust -U fathom -E UTF8 --locale=C >/dev/null");
      sh("mv " + made + " " + cache + "/data");
    }
    close(lock);
  }

  std::string folder_;
};

}  // namespace fathom::ledger::testing
