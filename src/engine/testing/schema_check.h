// A validator for the tests' own schemas, written apart from the grammar: on parsed values, by the
// letter of draft 2020-12.
#pragma once

#include <cmath>
#include <regex>
#include <string>

#include <nlohmann/json.hpp>

namespace fathom::engine {

class SchemaCheck {
 public:
  explicit SchemaCheck(const nlohmann::json& root) : root_(root) {}
  bool valid(const nlohmann::json& value) const { return holds(root_, value); }

 private:
  using Json = nlohmann::json;

  static bool is_type(const std::string& type, const Json& v) {
    if (type == "integer") return v.is_number() && std::trunc(v.get<double>()) == v.get<double>();
    if (type == "number") return v.is_number();
    return (type == "null" && v.is_null()) || (type == "boolean" && v.is_boolean()) ||
           (type == "object" && v.is_object()) || (type == "array" && v.is_array()) ||
           (type == "string" && v.is_string());
  }

  static int64_t code_points(const std::string& text) {
    return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
  }

  bool holds(const Json& s, const Json& v) const {
    if (s.is_boolean()) return s.get<bool>();
    for (const auto& [key, want] : s.items()) {
      if (!keyword(s, key, want, v)) return false;
    }
    return true;
  }

  bool keyword(const Json& s, const std::string& key, const Json& want, const Json& v) const {
    const auto matches = [&](const Json& schema) { return holds(schema, v); };
    if (key == "$ref") {
      return holds(root_.at(Json::json_pointer(want.get<std::string>().substr(1))), v);
    }
    if (key == "type") {
      if (want.is_string()) return is_type(want, v);
      return std::any_of(want.begin(), want.end(), [&](const Json& t) { return is_type(t, v); });
    }
    if (key == "const") return v == want;
    if (key == "enum") return std::find(want.begin(), want.end(), v) != want.end();
    if (key == "allOf") return std::all_of(want.begin(), want.end(), matches);
    if (key == "anyOf") return std::any_of(want.begin(), want.end(), matches);
    if (key == "oneOf") return std::count_if(want.begin(), want.end(), matches) == 1;
    if (v.is_object()) return object_keyword(s, key, want, v);
    if (v.is_array()) return array_keyword(s, key, want, v);
    if (v.is_string()) {
      const auto text = v.get<std::string>();
      if (key == "minLength") return code_points(text) >= want.get<int64_t>();
      if (key == "maxLength") return code_points(text) <= want.get<int64_t>();
      if (key == "pattern") return std::regex_search(text, std::regex(want.get<std::string>()));
    }
    if (v.is_number()) {
      const auto x = v.get<double>();
      if (key == "minimum") return x >= want.get<double>();
      if (key == "maximum") return x <= want.get<double>();
      if (key == "exclusiveMinimum") return x > want.get<double>();
      if (key == "exclusiveMaximum") return x < want.get<double>();
    }
    return true;
  }

  bool object_keyword(const Json& s, const std::string& key, const Json& want,
                      const Json& v) const {
    if (key == "required") {
      return std::all_of(want.begin(), want.end(),
                         [&](const Json& name) { return v.contains(name.get<std::string>()); });
    }
    for (const auto& [name, value] : v.items()) {
      const bool listed = s.contains("properties") && s["properties"].contains(name);
      if (key == "properties" && listed && !holds(want[name], value)) return false;
      if (key == "additionalProperties" && !listed && !holds(want, value)) return false;
    }
    return true;
  }

  bool array_keyword(const Json& s, const std::string& key, const Json& want, const Json& v) const {
    const size_t prefix = s.contains("prefixItems") ? s["prefixItems"].size() : 0;
    if (key == "minItems") return v.size() >= want.get<size_t>();
    if (key == "maxItems") return v.size() <= want.get<size_t>();
    for (size_t i = 0; i < v.size(); ++i) {
      if (key == "prefixItems" && i < prefix && !holds(want[i], v[i])) return false;
      if (key == "items" && i >= prefix && !holds(want, v[i])) return false;
    }
    return true;
  }

  const Json root_;
};

}  // namespace fathom::engine
