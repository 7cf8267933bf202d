// Owning, 64-byte aligned memory.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "tensor/dtype.h"

namespace fathom {

/// `bytes` of memory aligned to a cache line, zeroed. Large ones ask the kernel for huge pages.
/// Throws Error(kResource) where the system has not that much.
class Buffer {
 public:
  Buffer();
  explicit Buffer(size_t bytes);
  // Not inline: the kernels of one instruction set must not define what all others link.
  ~Buffer();
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;

  std::byte* data() const { return memory_.get(); }
  size_t size() const { return size_; }
  template <typename T>
  T* as() const {
    return reinterpret_cast<T*>(memory_.get());
  }
  template <typename T>
  std::span<T> span() const {
    return {as<T>(), size_ / sizeof(T)};
  }

 private:
  struct Free {
    void operator()(std::byte* memory) const;
  };
  std::unique_ptr<std::byte, Free> memory_;
  size_t size_ = 0;
};

}  // namespace fathom
