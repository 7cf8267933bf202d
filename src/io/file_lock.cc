#include "io/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "io/system_error.h"

namespace fathom::io {

namespace {

/// Whether `path` still names the open file.
bool names(const std::string& path, int fd) {
  struct stat there {
  }, open{};
  return ::stat(path.c_str(), &there) == 0 && ::fstat(fd, &open) == 0 &&
         there.st_dev == open.st_dev && there.st_ino == open.st_ino;
}

}  // namespace

FileLock::FileLock(const std::string& path, const std::string& what, LockFile after)
    : path_(path), after_(after) {
  while (!try_lock(what)) {
  }
}

// False where the last holder removed the file between our opening and our locking it: who comes
// next would lock another one.
bool FileLock::try_lock(const std::string& what) {
  fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd_ < 0) fail_errno(path_, "open", errno);
  if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    ::close(fd_);
    if (error == EWOULDBLOCK) {
      fail(ErrorKind::kConflict, "{}: held by another process: {}", path_, what);
    }
    fail_errno(path_, "lock", error);
  }
  if (names(path_, fd_)) return true;
  ::close(fd_);
  return false;
}

FileLock::~FileLock() {
  if (after_ == LockFile::kRemoved) ::unlink(path_.c_str());  // first, while it is ours
  ::close(fd_);
}

}  // namespace fathom::io
