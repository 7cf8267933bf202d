// Reading JSON of another server, where a field may be missing, null or of another type.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "api/json_body.h"

namespace fathom::api {

/// The member, unless it is missing or null, or `value` no object.
inline const Json* member(const Json* value, const char* name) {
  if (!value || !value->is_object()) return nullptr;
  const auto found = value->find(name);
  return found == value->end() || found->is_null() ? nullptr : &*found;
}

inline std::string text_member(const Json* value, const char* name) {
  const Json* found = member(value, name);
  return found && found->is_string() ? found->get<std::string>() : std::string();
}

/// A whole number from 0 to 2^40, which is beyond any count of tokens.
inline std::optional<int64_t> count_member(const Json* value, const char* name) {
  const Json* found = member(value, name);
  if (!found || !found->is_number_integer()) return std::nullopt;
  const auto count = found->get<int64_t>();
  if (count < 0 || count > int64_t{1} << 40) return std::nullopt;
  return count;
}

}  // namespace fathom::api
