// A large piece of memory that fills up bit by bit, in huge pages.
#pragma once

#include <cstddef>

namespace fathom {

inline constexpr size_t kHugePage = size_t{2} << 20;

/// Zeroed memory from the system, aligned to a huge page (2 MB). It takes an address range at once
/// and memory only where it is touched.
class HugeRegion {
 public:
  HugeRegion() = default;
  /// Throws Error(kResource) where the system gives no such range.
  explicit HugeRegion(size_t bytes);
  HugeRegion(HugeRegion&& other) noexcept;
  HugeRegion& operator=(HugeRegion&& other) noexcept;
  ~HugeRegion();

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  void* mapping_ = nullptr;
  size_t mapped_ = 0;
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace fathom
