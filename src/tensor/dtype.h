// Element types, under safetensors' names.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace fathom {

enum class DType { kF32, kBF16, kF8E4M3, kF16, kF64, kI8, kU8, kI16, kI32, kI64, kBool, kF8E5M2 };

/// Bytes of one element.
constexpr size_t dtype_size(DType dtype) {
  switch (dtype) {
    case DType::kF64:
    case DType::kI64:
      return 8;
    case DType::kF32:
    case DType::kI32:
      return 4;
    case DType::kBF16:
    case DType::kF16:
    case DType::kI16:
      return 2;
    default:
      return 1;
  }
}

/// The name in a safetensors header: "F8_E4M3", "BF16", ...
std::string_view dtype_name(DType dtype);

/// The inverse; nothing for a name that this program does not know.
std::optional<DType> parse_dtype(std::string_view name);

}  // namespace fathom
