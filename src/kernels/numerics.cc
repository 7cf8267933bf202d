#include "kernels/numerics.h"

#include <utility>

namespace fathom {
namespace {

constexpr std::pair<Numerics, std::string_view> kNames[] = {
    {Numerics::kNative, "native"},
    {Numerics::kExact, "exact"},
    {Numerics::kW8A8, "w8a8"},
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

}  // namespace fathom
