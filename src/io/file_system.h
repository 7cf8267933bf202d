// Files as the other rooms see them. Whoever writes takes a FileSystem&, which is the seam where
// tests put one that fails (faulty_file_system.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fathom::io {

/// Read-only files larger than this are mapped rather than read into a string.
inline constexpr uint64_t kMaxReadBytes = uint64_t{1} << 30;

/// An open file to write to. One thread at a time, except write_at, which several may call at once
/// on ranges that do not overlap. Every method throws Error(kIo) that names the path; the
/// destructor closes without reporting.
class WritableFile {
 public:
  virtual ~WritableFile() = default;
  /// Writes all of `bytes` at `offset`.
  virtual void write_at(uint64_t offset, std::span<const std::byte> bytes) = 0;
  /// Writes all of `bytes` where the last append (or the file's start) ended.
  virtual void append(std::span<const std::byte> bytes) = 0;
  /// Makes the file `size` bytes long; new bytes read as zero and take no disk.
  virtual void truncate(uint64_t size) = 0;
  /// Returns once the bytes and the size are on the disk.
  virtual void sync() = 0;
  /// Starts writing the range back and, when it is already on the disk, lets its pages go, so that
  /// a large file does not push others out of the page cache. A hint: it never fails.
  virtual void drop_cache(uint64_t offset, uint64_t bytes) = 0;
};

/// The operations that change or list directories. Throws Error: kNotFound where the path is not
/// there, kIo otherwise; each names the path.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  /// Creates or empties the file.
  virtual std::unique_ptr<WritableFile> create(const std::string& path) = 0;
  /// Opens the file to append to, creating it where needed.
  virtual std::unique_ptr<WritableFile> open_append(const std::string& path) = 0;
  /// Replaces `to` in one step. The directory is not synced.
  virtual void rename(const std::string& from, const std::string& to) = 0;
  /// Returns once the names in `dir` are on the disk.
  virtual void sync_dir(const std::string& dir) = 0;
  /// No error where there is no such file.
  virtual void remove(const std::string& path) = 0;
  /// With its parents; no error where it exists.
  virtual void create_dirs(const std::string& dir) = 0;
  /// Bytes that this user may still write on the disk that holds `path`.
  virtual uint64_t free_bytes(const std::string& path) = 0;
};

/// The operating system's. Thread-safe.
FileSystem& system_files();

/// A whole file. Throws Error: kNotFound, kIo, or kBadInput where it is longer than `max_bytes`.
std::string read_file(const std::string& path, uint64_t max_bytes = kMaxReadBytes);

/// Replaces `path` in one step, so that a reader, or a crash, sees the old content or the new:
/// writes `path`.tmp, syncs it, renames it, syncs the directory. On failure the temporary is
/// removed.
void write_file_atomically(FileSystem& files, const std::string& path, std::string_view content);

/// Does that with the content of the file `from`, of any length.
void copy_file_atomically(FileSystem& files, const std::string& from, const std::string& path);

/// For clean-up after another failure: removes the file and says nothing. It goes straight to the
/// system, past a FileSystem that may itself be what failed.
void remove_quietly(const std::string& path) noexcept;

bool file_exists(const std::string& path);
bool directory_exists(const std::string& path);
/// Throws Error(kNotFound).
uint64_t file_size(const std::string& path);
/// When its content last changed, in nanoseconds since 1970. Throws Error(kNotFound).
int64_t file_time(const std::string& path);
/// Names of the regular files (links followed) in `dir`, sorted. Throws Error(kNotFound).
std::vector<std::string> list_files(const std::string& dir);
/// `dir`/`name`.
std::string join(const std::string& dir, std::string_view name);
/// The part before the last '/', "." where there is none.
std::string parent_dir(const std::string& path);

}  // namespace fathom::io
