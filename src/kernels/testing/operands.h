// Operands for tests of the kernels: memory that ends where they end, matrices, panels.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

#include "base/rng.h"
#include "kernels/ops.h"
#include "tensor/buffer.h"
#include "tensor/float_formats.h"

namespace fathom {

inline constexpr double kEpsilon = 0x1p-24;     // half a unit in the last place of F32
inline constexpr double kEpsilonBf16 = 0x1p-9;  // of BF16
inline constexpr double kTiny = 1e-36;          // products that flush to zero
inline constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
inline constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// An array whose end is the end of what this process may touch.
template <typename T>
class Guarded {
 public:
  explicit Guarded(size_t count, T fill = T{}) : count_(count) {
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t body = (count * sizeof(T) + page - 1) / page * page;
    bytes_ = body + page;
    base_ = static_cast<std::byte*>(
        mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(base_ + body, page, PROT_NONE);
    data_ = reinterpret_cast<T*>(base_ + body - count * sizeof(T));
    std::fill_n(data_, count, fill);
  }
  ~Guarded() { munmap(base_, bytes_); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  T* data() { return data_; }
  T& operator[](size_t i) { return data_[i]; }
  std::span<T> span() { return {data_, count_}; }

 private:
  size_t count_, bytes_;
  std::byte* base_;
  T* data_;
};

inline void fill_normal(std::span<float> x, Rng& rng, float scale = 1) {
  for (float& v : x) v = static_cast<float>(rng.normal()) * scale;
}

/// A weight matrix with random values, its last byte before a guard page.
struct Matrix {
  Matrix(DType dtype, int64_t rows, int64_t cols, uint64_t seed)
      : bytes(static_cast<size_t>(rows * cols) * dtype_size(dtype)),
        scales(static_cast<size_t>(ceil_div(rows, kScaleBlock) * ceil_div(cols, kScaleBlock))) {
    Rng rng(seed);
    for (size_t i = 0; i < static_cast<size_t>(rows * cols); ++i) {
      const auto value = static_cast<float>(rng.normal());
      const uint16_t bf16 = f32_to_bf16(value);
      // All codes but NaN come up, subnormals among them.
      auto code = static_cast<uint8_t>(rng.below(256));
      if ((code & 0x7F) == 0x7F) code = 0x01;
      switch (dtype) {
        case DType::kF8E4M3:
          bytes[i] = std::byte{code};
          break;
        case DType::kBF16:
          std::memcpy(&bytes[i * 2], &bf16, 2);
          break;
        default:
          std::memcpy(&bytes[i * 4], &value, 4);
      }
    }
    for (float& s : scales.span()) s = static_cast<float>(0.5 + rng.uniform()) * 0x1p-8f;
    view = {bytes.data(), dtype, rows, cols, dtype == DType::kF8E4M3 ? scales.data() : nullptr};
  }

  Guarded<std::byte> bytes;
  Guarded<float> scales;
  WeightView view;
};

/// The same matrix in panels, packed by `set`.
struct Panels {
  Panels(const Kernels& set, const WeightView& w)
      : bytes(packed_bytes(w.rows, w.cols * static_cast<int64_t>(dtype_size(w.dtype)))), view(w) {
    const size_t panel = panel_bytes(w.cols * static_cast<int64_t>(dtype_size(w.dtype)));
    for (int64_t p = 0; p < ceil_div(w.rows, kPanelRows); ++p) {
      set.pack_panel(w, p, bytes.data() + static_cast<size_t>(p) * panel);
    }
    view.data = bytes.data();
    view.layout = WeightLayout::kPanels;
  }
  std::vector<std::byte> content() const { return {bytes.data(), bytes.data() + bytes.size()}; }

  Buffer bytes;
  WeightView view;
};

}  // namespace fathom
