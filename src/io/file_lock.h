// One holder at a time of something on disk, across processes.
#pragma once

#include <string>

namespace fathom::io {

/// Held from construction to destruction; the system lets go of it when the process dies. The file
/// is created where needed and left behind.
class FileLock {
 public:
  /// Throws Error(kConflict), "PATH: held by another process: WHAT", where it is held already; kIo
  /// or kNotFound where the file cannot be opened.
  FileLock(const std::string& path, const std::string& what);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int fd_;
};

}  // namespace fathom::io
