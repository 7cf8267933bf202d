#include "io/file_system.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "base/error.h"
#include "io/mapped_file.h"
#include "io/system_error.h"

namespace fathom::io {
namespace {

/// A descriptor that closes itself.
class Descriptor {
 public:
  Descriptor(const std::string& path, int flags, std::string_view what)
      : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0644)) {
    if (fd_ < 0) fail_errno(path, what, errno);
  }
  ~Descriptor() { ::close(fd_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

class SystemFile final : public WritableFile {
 public:
  SystemFile(const std::string& path, int flags)
      : path_(path), file_(path, flags | O_CREAT | O_WRONLY, "create") {
    const off_t end = ::lseek(file_.get(), 0, SEEK_END);
    if (end < 0) fail_errno(path_, "seek", errno);
    end_ = static_cast<uint64_t>(end);
  }

  void write_at(uint64_t offset, std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const ssize_t written =
          ::pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail_errno(path_, "write", errno);
      offset += static_cast<uint64_t>(written);
      bytes = bytes.subspan(static_cast<size_t>(written));
    }
  }

  void append(std::span<const std::byte> bytes) override {
    write_at(end_, bytes);
    end_ += bytes.size();
  }

  void truncate(uint64_t size) override {
    if (::ftruncate(file_.get(), static_cast<off_t>(size)) != 0) fail_errno(path_, "resize", errno);
    end_ = size;
  }

  void sync() override {
    if (::fsync(file_.get()) != 0) fail_errno(path_, "sync", errno);
  }

  void drop_cache(uint64_t offset, uint64_t bytes) override {
    ::sync_file_range(file_.get(), static_cast<off64_t>(offset), static_cast<off64_t>(bytes),
                      SYNC_FILE_RANGE_WRITE);
    ::posix_fadvise(file_.get(), static_cast<off_t>(offset), static_cast<off_t>(bytes),
                    POSIX_FADV_DONTNEED);
  }

 private:
  std::string path_;
  Descriptor file_;
  uint64_t end_ = 0;
};

class SystemFiles final : public FileSystem {
 public:
  std::unique_ptr<WritableFile> create(const std::string& path) override {
    return std::make_unique<SystemFile>(path, O_TRUNC);
  }

  std::unique_ptr<WritableFile> open_append(const std::string& path) override {
    return std::make_unique<SystemFile>(path, 0);
  }

  void rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) fail_errno(to, "put the new file in place", errno);
  }

  void sync_dir(const std::string& dir) override {
    const Descriptor handle(dir, O_RDONLY | O_DIRECTORY, "open");
    // Some network and overlay file systems refuse this for a directory; they have no way to do it.
    if (::fsync(handle.get()) != 0 && errno != EINVAL) fail_errno(dir, "sync", errno);
  }

  void remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) fail_errno(path, "remove", errno);
  }

  void create_dirs(const std::string& dir) override {
    std::error_code error;
    std::filesystem::create_directories(dir, error);
    if (error) fail_errno(dir, "create the directory", error.value());
    if (!directory_exists(dir)) fail_errno(dir, "create the directory", EEXIST);
  }

  uint64_t free_bytes(const std::string& path) override {
    struct statvfs status {};
    if (::statvfs(path.c_str(), &status) != 0) fail_errno(path, "ask for free space", errno);
    return static_cast<uint64_t>(status.f_bavail) * status.f_frsize;
  }
};

}  // namespace

FileSystem& system_files() {
  static SystemFiles files;
  return files;
}

std::string read_file(const std::string& path, uint64_t max_bytes) {
  const Descriptor file(path, O_RDONLY, "open");
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) fail_errno(path, "read its size", errno);
  if (S_ISDIR(status.st_mode)) fail_errno(path, "read", EISDIR);

  std::string content;
  content.resize(std::min<uint64_t>(static_cast<uint64_t>(status.st_size), max_bytes + 1));
  size_t filled = 0;
  for (;;) {  // pipes and /proc files say 0 and go on
    if (filled == content.size()) {
      if (filled > max_bytes) {
        fail(ErrorKind::kBadInput, "{}: longer than {} bytes", path, max_bytes);
      }
      content.resize(std::min<uint64_t>(filled + std::max<size_t>(filled, 4096), max_bytes + 1));
    }
    const ssize_t got = ::read(file.get(), content.data() + filled, content.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_errno(path, "read", errno);
    if (got == 0) break;
    filled += static_cast<size_t>(got);
  }
  content.resize(filled);
  return content;
}

namespace {

/// `write` gets the temporary file.
template <typename Write>
void replace_atomically(FileSystem& files, const std::string& path, const Write& write) {
  const std::string temporary = path + ".tmp";
  try {
    {
      const std::unique_ptr<WritableFile> file = files.create(temporary);
      write(*file);
      file->sync();
    }
    files.rename(temporary, path);
  } catch (const Error&) {
    remove_quietly(temporary);
    throw;
  }
  files.sync_dir(parent_dir(path));
}

}  // namespace

void write_file_atomically(FileSystem& files, const std::string& path, std::string_view content) {
  replace_atomically(files, path,
                     [&](WritableFile& file) { file.append(std::as_bytes(std::span(content))); });
}

void copy_file_atomically(FileSystem& files, const std::string& from, const std::string& path) {
  constexpr size_t kPiece = 16 << 20;
  const MappedFile source = MappedFile::open(from);
  replace_atomically(files, path, [&](WritableFile& file) {
    for (auto rest = source.bytes(); !rest.empty();) {
      const auto piece = rest.first(std::min(kPiece, rest.size()));
      file.append(piece);
      rest = rest.subspan(piece.size());
    }
  });
}

void remove_quietly(const std::string& path) noexcept { ::unlink(path.c_str()); }

bool file_exists(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && !S_ISDIR(status.st_mode);
}

bool directory_exists(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

uint64_t file_size(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) fail_errno(path, "read its size", errno);
  return static_cast<uint64_t>(status.st_size);
}

int64_t file_time(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) fail_errno(path, "read its time", errno);
  return status.st_mtim.tv_sec * int64_t{1'000'000'000} + status.st_mtim.tv_nsec;
}

std::vector<std::string> list_files(const std::string& dir) {
  std::error_code error;
  std::vector<std::string> names;
  std::filesystem::directory_iterator entries(dir, error);
  for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
    std::error_code unreadable;  // a dangling link is no file
    if (entries->is_regular_file(unreadable)) names.push_back(entries->path().filename().string());
  }
  if (error) fail_errno(dir, "list", error.value());
  std::sort(names.begin(), names.end());
  return names;
}

std::string join(const std::string& dir, std::string_view name) {
  std::string path = dir;
  if (!path.empty() && path.back() != '/') path += '/';
  path += name;
  return path;
}

std::string parent_dir(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace fathom::io
