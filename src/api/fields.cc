#include "api/fields.h"

#include <fmt/format.h>

#include "api/api_error.h"

namespace fathom::api {
namespace {

template <typename T>
std::optional<T> within(const char* name, std::optional<T> value, T least, T most) {
  if (value && !(*value >= least && *value <= most)) {
    throw invalid_request(fmt::format("Invalid {} value, the valid range of {} is [{}, {}]", name,
                                      name, least, most));
  }
  return value;
}

}  // namespace

std::string describe(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
      return "null";
    case Json::value_t::boolean:
      return fmt::format("boolean `{}`", value.get<bool>());
    case Json::value_t::string: {
      const auto& text = value.get_ref<const std::string&>();
      return text.size() <= 64 ? "string " + dump_json(value)
                               : fmt::format("string of {} bytes", text.size());
    }
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
      return "integer `" + value.dump() + "`";
    case Json::value_t::number_float:
      return "floating point `" + value.dump() + "`";
    case Json::value_t::array:
      return "sequence";
    default:
      return "map";
  }
}

void wrong_type(const std::string& path, const Json& found, const std::string& expected) {
  throw wrong_field(path, "invalid type: " + describe(found) + ", expected " + expected);
}

std::string element(const std::string& path, size_t i) { return fmt::format("{}[{}]", path, i); }

Fields::Fields(const Json& object, std::string path) : object_(object), path_(std::move(path)) {
  if (!object.is_object()) wrong_type(path_, object, "a map");
}

std::string Fields::path_of(const char* name) const {
  return path_.empty() ? name : path_ + "." + name;
}

const Json* Fields::find(const char* name) const {
  const auto found = object_.find(name);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

std::optional<std::string> Fields::string(const char* name) const {
  const Json* value = find(name);
  if (!value) return std::nullopt;
  if (!value->is_string()) wrong_type(path_of(name), *value, "a string");
  return value->get<std::string>();
}

std::string Fields::need_string(const char* name) const {
  std::optional<std::string> value = string(name);
  if (!value)
    throw wrong_field(path_of(name), fmt::format("missing field `{}`, expected a string", name));
  return std::move(*value);
}

std::optional<bool> Fields::boolean(const char* name) const {
  const Json* value = find(name);
  if (!value) return std::nullopt;
  if (!value->is_boolean()) wrong_type(path_of(name), *value, "a boolean");
  return value->get<bool>();
}

std::optional<double> Fields::number(const char* name) const {
  const Json* value = find(name);
  if (!value) return std::nullopt;
  if (!value->is_number()) wrong_type(path_of(name), *value, "a number");
  return value->get<double>();
}

std::optional<int64_t> Fields::integer(const char* name) const {
  const Json* value = find(name);
  if (!value) return std::nullopt;
  if (value->is_number_float()) {
    // Some clients' languages have one type for all numbers.
    const double number = value->get<double>();
    if (number >= -1e15 && number <= 1e15 &&
        number == static_cast<double>(static_cast<int64_t>(number))) {
      return static_cast<int64_t>(number);
    }
  }
  if (!value->is_number_integer()) wrong_type(path_of(name), *value, "an integer");
  if (value->is_number_unsigned() && value->get<uint64_t>() > INT64_MAX) return INT64_MAX;
  return value->get<int64_t>();
}

const Json* Fields::array(const char* name) const {
  const Json* value = find(name);
  if (value && !value->is_array()) wrong_type(path_of(name), *value, "a sequence");
  return value;
}

const Json* Fields::object(const char* name) const {
  const Json* value = find(name);
  if (value && !value->is_object()) wrong_type(path_of(name), *value, "a map");
  return value;
}

std::optional<double> Fields::number_within(const char* name, double least, double most) const {
  return within(name, number(name), least, most);
}

std::optional<int64_t> Fields::integer_within(const char* name, int64_t least, int64_t most) const {
  return within(name, integer(name), least, most);
}

}  // namespace fathom::api
