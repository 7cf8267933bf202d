// Reads the fields of a JSON object, with errors that name the field, what was found and what was
// expected.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/json_body.h"

namespace fathom::api {

/// Absent fields and null are the same: newer clients send null for what they leave out.
class Fields {
 public:
  /// `path` names the object in errors, "" for the body itself. Throws 422 unless it is an object.
  /// `object` must outlive this.
  Fields(const Json& object, std::string path);

  const Json* find(const char* name) const;
  /// Throw ApiError 422 for another type.
  std::optional<std::string> string(const char* name) const;
  std::optional<bool> boolean(const char* name) const;
  std::optional<double> number(const char* name) const;
  std::optional<int64_t> integer(const char* name) const;
  const Json* array(const char* name) const;
  const Json* object(const char* name) const;

  /// The same, but the field must be there.
  std::string need_string(const char* name) const;

  /// Throws ApiError 400 "Invalid NAME value, ..." unless within [least, most].
  std::optional<double> number_within(const char* name, double least, double most) const;
  std::optional<int64_t> integer_within(const char* name, int64_t least, int64_t most) const;

  std::string path_of(const char* name) const;

 private:
  const Json& object_;
  std::string path_;
};

/// "integer `5`", "string \"abc\"", "sequence": what was found, in a few words.
std::string describe(const Json& value);

/// Throws ApiError 422: invalid type: FOUND, expected EXPECTED.
[[noreturn]] void wrong_type(const std::string& path, const Json& found,
                             const std::string& expected);

/// "path[i]"
std::string element(const std::string& path, size_t i);

}  // namespace fathom::api
