#include "io/faulty_file_system.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "io/system_error.h"

namespace fathom::io {

class FaultyFile final : public WritableFile {
 public:
  FaultyFile(FaultyFileSystem& owner, std::string path, std::unique_ptr<WritableFile> base)
      : owner_(owner), path_(std::move(path)), base_(std::move(base)) {}

  void write_at(uint64_t offset, std::span<const std::byte> bytes) override {
    write(bytes, [&](auto part) { base_->write_at(offset, part); });
  }
  void append(std::span<const std::byte> bytes) override {
    write(bytes, [&](auto part) { base_->append(part); });
  }
  void truncate(uint64_t size) override {
    owner_.run(FileOperation::kTruncate, path_, [&] { base_->truncate(size); });
  }
  void sync() override {
    owner_.run(FileOperation::kSync, path_, [&] { base_->sync(); });
  }
  void drop_cache(uint64_t offset, uint64_t bytes) override { base_->drop_cache(offset, bytes); }

 private:
  template <typename Write>
  void write(std::span<const std::byte> bytes, const Write& action) {
    const int error = owner_.begin(FileOperation::kWrite, bytes.size());
    action(error ? bytes.first(bytes.size() / 2) : bytes);
    if (error) fail_errno(path_, "write", error);
  }

  FaultyFileSystem& owner_;
  std::string path_;
  std::unique_ptr<WritableFile> base_;
};

void FaultyFileSystem::fail_at(FileOperation operation, int64_t skip, int error) {
  const std::lock_guard lock(mutex_);
  failing_ = operation;
  skip_ = skip;
  error_ = error;
}

void FaultyFileSystem::set_disk_bytes(uint64_t bytes, bool honest) {
  const std::lock_guard lock(mutex_);
  disk_bytes_ = bytes;
  honest_ = honest;
}

void FaultyFileSystem::set_observer(std::function<void(int64_t)> observer) {
  const std::lock_guard lock(mutex_);
  observer_ = std::move(observer);
}

int64_t FaultyFileSystem::operations() const {
  const std::lock_guard lock(mutex_);
  return operations_;
}

int FaultyFileSystem::begin(FileOperation operation, uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (observer_) observer_(operations_);
  ++operations_;
  if (failing_ == operation && skip_-- <= 0) return error_;
  if (operation == FileOperation::kWrite && disk_bytes_) {
    if (bytes > *disk_bytes_) return ENOSPC;
    *disk_bytes_ -= bytes;
  }
  return 0;
}

void FaultyFileSystem::run(FileOperation operation, const std::string& path,
                           const std::function<void()>& action) {
  if (const int error = begin(operation)) fail_errno(path, "finish the operation", error);
  action();
}

std::unique_ptr<WritableFile> FaultyFileSystem::create(const std::string& path) {
  std::unique_ptr<WritableFile> file;
  run(FileOperation::kCreate, path, [&] { file = base_.create(path); });
  return std::make_unique<FaultyFile>(*this, path, std::move(file));
}

std::unique_ptr<WritableFile> FaultyFileSystem::open_append(const std::string& path) {
  std::unique_ptr<WritableFile> file;
  run(FileOperation::kCreate, path, [&] { file = base_.open_append(path); });
  return std::make_unique<FaultyFile>(*this, path, std::move(file));
}

void FaultyFileSystem::rename(const std::string& from, const std::string& to) {
  run(FileOperation::kRename, to, [&] { base_.rename(from, to); });
}

void FaultyFileSystem::sync_dir(const std::string& dir) {
  run(FileOperation::kSyncDir, dir, [&] { base_.sync_dir(dir); });
}

void FaultyFileSystem::remove(const std::string& path) {
  run(FileOperation::kRemove, path, [&] { base_.remove(path); });
}

void FaultyFileSystem::create_dirs(const std::string& dir) { base_.create_dirs(dir); }

uint64_t FaultyFileSystem::free_bytes(const std::string& path) {
  const std::lock_guard lock(mutex_);
  return disk_bytes_ && honest_ ? *disk_bytes_ : base_.free_bytes(path);
}

}  // namespace fathom::io
