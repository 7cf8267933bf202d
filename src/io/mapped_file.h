// A file mapped read-only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace fathom::io {

enum class Advice { kNormal, kRandom, kSequential, kWillNeed, kDontNeed };

/// The mapping shares the page cache, so a file that several processes map is in memory once, and
/// nothing is read before somebody touches it. Movable; the bytes stay where they are.
/// A file that shrinks while mapped raises SIGBUS on access past its new end.
class MappedFile {
 public:
  MappedFile() = default;
  /// Throws Error(kNotFound) where there is no such file, kIo where it cannot be mapped.
  static MappedFile open(const std::string& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }

  /// A hint on the pages that hold the range: widened to pages, kDontNeed narrowed to them (those
  /// also leave the page cache where no one else maps them). Never fails.
  void advise(uint64_t offset, uint64_t bytes, Advice advice) const;

 private:
  std::byte* data_ = nullptr;
  size_t size_ = 0;
  int fd_ = -1;
  std::string path_;
};

}  // namespace fathom::io
