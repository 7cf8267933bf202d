#include "tensor/dtype.h"

#include <iterator>
#include <utility>

namespace fathom {
namespace {

constexpr std::pair<DType, std::string_view> kNames[] = {
    {DType::kF32, "F32"}, {DType::kBF16, "BF16"}, {DType::kF8E4M3, "F8_E4M3"},
    {DType::kF16, "F16"}, {DType::kF64, "F64"},   {DType::kI8, "I8"},
    {DType::kU8, "U8"},   {DType::kI16, "I16"},   {DType::kI32, "I32"},
    {DType::kI64, "I64"}, {DType::kBool, "BOOL"}, {DType::kF8E5M2, "F8_E5M2"},
};

}  // namespace

std::string_view dtype_name(DType dtype) {
  for (const auto& [value, name] : kNames) {
    if (value == dtype) return name;
  }
  return "?";
}

std::optional<DType> parse_dtype(std::string_view name) {
  for (const auto& [value, text] : kNames) {
    if (text == name) return value;
  }
  return std::nullopt;
}

}  // namespace fathom
