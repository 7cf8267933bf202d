#include "cli/own_server.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>

#include "base/error.h"
#include "io/file_system.h"

namespace fathom::cli {
namespace {

std::string private_folder() {
  std::string folder = (std::filesystem::temp_directory_path() / "fathom-eval-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) {
    fail(ErrorKind::kIo, "{}: {}", folder, std::strerror(errno));
  }
  return folder;
}

std::string last_line(const std::string& path) {
  std::string text = io::file_exists(path) ? io::read_file(path) : "";
  while (text.ends_with('\n')) text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

}  // namespace

OwnServer::OwnServer(const std::string& dir, const std::string& model) : folder_(private_folder()) {
  try {
    start(dir, model);
  } catch (...) {
    stop();
    throw;
  }
}

OwnServer::~OwnServer() { stop(); }

void OwnServer::start(const std::string& dir, const std::string& model) {
  const std::string ledger = io::join(folder_, "ledger.db"), log = io::join(folder_, "log");
  const std::array<const char*, 11> args = {
      "fathom",      "serve",    dir.c_str(),    "--port",          "0",    "--model-name",
      model.c_str(), "--ledger", ledger.c_str(), "--no-disk-cache", nullptr};
  int out[2];
  if (::pipe2(out, O_CLOEXEC) != 0) fail(ErrorKind::kIo, "pipe: {}", std::strerror(errno));
  const int errors = ::open(log.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    ::dup2(out[1], 1);
    ::dup2(errors, 2);
    ::execv("/proc/self/exe", const_cast<char* const*>(args.data()));
    ::_exit(127);
  }
  ::close(out[1]);
  ::close(errors);
  if (pid_ < 0) fail(ErrorKind::kIo, "fork: {}", std::strerror(errno));
  wait_until_serving(out[0]);
}

// Its first line on stdout ends in its address.
void OwnServer::wait_until_serving(int out) {
  std::string line;
  char c = 0;
  while (::read(out, &c, 1) == 1 && c != '\n') line += c;
  ::close(out);
  const size_t at = line.rfind("http://");
  if (at == std::string::npos) {
    fail(ErrorKind::kIo, "fathom serve did not start: {}", last_line(io::join(folder_, "log")));
  }
  url_ = line.substr(at);
}

void OwnServer::stop() {
  if (pid_ > 0) {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

}  // namespace fathom::cli
