// One holder at a time of something on disk, across processes.
#pragma once

#include <string>

namespace fathom::io {

/// What becomes of the lock's file at the end.
enum class LockFile { kKept, kRemoved };

/// Held from construction to destruction; the system lets go of it when the process dies. The file
/// is created where needed.
class FileLock {
 public:
  /// Throws Error(kConflict), "PATH: held by another process: WHAT", where it is held already; kIo
  /// or kNotFound where the file cannot be opened.
  FileLock(const std::string& path, const std::string& what, LockFile after = LockFile::kKept);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  bool try_lock(const std::string& what);

  const std::string path_;
  const LockFile after_;
  int fd_ = -1;
};

}  // namespace fathom::io
