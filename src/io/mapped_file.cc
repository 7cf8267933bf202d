#include "io/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "io/system_error.h"

namespace fathom::io {
namespace {

int madvise_flag(Advice advice) {
  switch (advice) {
    case Advice::kRandom:
      return MADV_RANDOM;
    case Advice::kSequential:
      return MADV_SEQUENTIAL;
    case Advice::kWillNeed:
      return MADV_WILLNEED;
    case Advice::kDontNeed:
      return MADV_DONTNEED;
    case Advice::kNormal:
      break;
  }
  return MADV_NORMAL;
}

}  // namespace

MappedFile MappedFile::open(const std::string& path) {
  MappedFile file;
  file.path_ = path;
  file.fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file.fd_ < 0) fail_errno(path, "open", errno);
  struct stat status {};
  if (fstat(file.fd_, &status) != 0) fail_errno(path, "read its size", errno);
  if (S_ISDIR(status.st_mode)) fail_errno(path, "map", EISDIR);
  file.size_ = static_cast<size_t>(status.st_size);
  if (file.size_ == 0) return file;  // an empty mapping is an error to mmap, not to us
  void* memory = mmap(nullptr, file.size_, PROT_READ, MAP_SHARED, file.fd_, 0);
  if (memory == MAP_FAILED) {
    file.size_ = 0;
    fail_errno(path, "map", errno);
  }
  file.data_ = static_cast<std::byte*>(memory);
  return file;
}

MappedFile::MappedFile(MappedFile&& other) noexcept { *this = std::move(other); }

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_) munmap(data_, size_);
  if (fd_ >= 0) close(fd_);
}

void MappedFile::advise(uint64_t offset, uint64_t bytes, Advice advice) const {
  if (!data_ || offset >= size_) return;
  const uint64_t page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  uint64_t end = bytes > size_ - offset ? size_ : offset + bytes;
  uint64_t begin = offset;
  if (advice == Advice::kDontNeed) {
    begin = (begin + page - 1) / page * page;
    if (end != size_) end = end / page * page;
    if (begin >= end) return;
  } else {
    begin = begin / page * page;
  }
  madvise(data_ + begin, end - begin, madvise_flag(advice));
  if (advice == Advice::kDontNeed) {
    posix_fadvise(fd_, static_cast<off_t>(begin), static_cast<off_t>(end - begin),
                  POSIX_FADV_DONTNEED);
  }
}

}  // namespace fathom::io
