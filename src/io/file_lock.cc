#include "io/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "io/system_error.h"

namespace fathom::io {

FileLock::FileLock(const std::string& path, const std::string& what)
    : fd_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {
  if (fd_ < 0) fail_errno(path, "open", errno);
  if (::flock(fd_, LOCK_EX | LOCK_NB) == 0) return;
  const int error = errno;
  ::close(fd_);
  if (error == EWOULDBLOCK) {
    fail(ErrorKind::kConflict, "{}: held by another process: {}", path, what);
  }
  fail_errno(path, "lock", error);
}

FileLock::~FileLock() { ::close(fd_); }

}  // namespace fathom::io
