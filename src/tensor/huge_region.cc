#include "tensor/huge_region.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace fathom {
HugeRegion::HugeRegion(size_t bytes) {
  if (bytes == 0) return;
  const size_t length = bytes + kHugePage;  // so that an aligned range fits
  void* mapping = length < bytes ? MAP_FAILED
                                 : mmap(nullptr, length, PROT_READ | PROT_WRITE,
                                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) {
    fail(ErrorKind::kResource, "cannot reserve {} bytes: {}", bytes, std::strerror(errno));
  }
  mapping_ = mapping;
  mapped_ = length;
  const auto address = reinterpret_cast<uintptr_t>(mapping);
  data_ = static_cast<std::byte*>(mapping) + (kHugePage - address % kHugePage) % kHugePage;
  size_ = bytes;
  madvise(mapping_, mapped_, MADV_HUGEPAGE);  // a wish: small pages serve as well
}

HugeRegion::HugeRegion(HugeRegion&& other) noexcept { *this = std::move(other); }

HugeRegion& HugeRegion::operator=(HugeRegion&& other) noexcept {
  std::swap(mapping_, other.mapping_);
  std::swap(mapped_, other.mapped_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

HugeRegion::~HugeRegion() {
  if (mapping_) munmap(mapping_, mapped_);
}

}  // namespace fathom
