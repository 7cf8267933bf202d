// A FileSystem that fails where a test tells it to.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "io/file_system.h"

namespace fathom::io {

enum class FileOperation { kCreate, kWrite, kTruncate, kSync, kRename, kSyncDir, kRemove };

/// Passes everything on to `base` until a fault strikes. Thread-safe. For tests only; it is in the
/// library because every room that writes tests with it.
class FaultyFileSystem final : public FileSystem {
 public:
  explicit FaultyFileSystem(FileSystem& base = system_files()) : base_(base) {}

  /// The operation of that kind after `skip` more fails with `error` (an errno), and so does every
  /// one after it. A write that fails has written half of its bytes.
  void fail_at(FileOperation operation, int64_t skip, int error);
  /// Writes past this many bytes in all find the disk full; free_bytes() follows, unless it is to
  /// promise more than there is.
  void set_disk_bytes(uint64_t bytes, bool honest = true);
  /// Called before each operation with its number, from 0: a test may end the process there.
  void set_observer(std::function<void(int64_t number)> observer);
  /// How many operations there have been.
  int64_t operations() const;

  std::unique_ptr<WritableFile> create(const std::string& path) override;
  std::unique_ptr<WritableFile> open_append(const std::string& path) override;
  void rename(const std::string& from, const std::string& to) override;
  void sync_dir(const std::string& dir) override;
  void remove(const std::string& path) override;
  void create_dirs(const std::string& dir) override;
  uint64_t free_bytes(const std::string& path) override;

 private:
  friend class FaultyFile;

  /// The errno that this operation meets, 0 for none.
  int begin(FileOperation operation, uint64_t bytes = 0);
  void run(FileOperation operation, const std::string& path, const std::function<void()>& action);

  FileSystem& base_;
  mutable std::mutex mutex_;
  std::optional<FileOperation> failing_;
  int64_t skip_ = 0;
  int error_ = 0;
  std::optional<uint64_t> disk_bytes_;
  bool honest_ = true;
  std::function<void(int64_t)> observer_;
  int64_t operations_ = 0;
};

}  // namespace fathom::io
