#include "kernels/numerics.h"

#include <iterator>
#include <utility>

namespace fathom {
namespace {

constexpr std::pair<Numerics, std::string_view> kNames[] = {
    {Numerics::kNative, "native"},
    {Numerics::kExact, "exact"},
    {Numerics::kW8A8, "w8a8"},
    {Numerics::kInt8, "int8"},
};

}  // namespace

std::string_view numerics_name(Numerics numerics) {
  for (const auto& [value, name] : kNames) {
    if (value == numerics) return name;
  }
  return "?";
}

std::optional<Numerics> parse_numerics(std::string_view name) {
  for (const auto& [value, text] : kNames) {
    if (text == name) return value;
  }
  return std::nullopt;
}

std::string numerics_names() {
  std::string names;
  for (const auto& [value, name] : kNames) {
    if (!names.empty()) names += value == std::rbegin(kNames)->first ? " or " : ", ";
    names += name;
  }
  return names;
}

DType cache_dtype(Numerics numerics) {
  return numerics == Numerics::kNative || numerics == Numerics::kInt8 ? DType::kBF16 : DType::kF32;
}

}  // namespace fathom
