#include "engine/grammar/schema.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <span>

#include "base/error.h"
#include "base/json_nesting.h"

namespace fathom::engine {
namespace {

constexpr int kMaxRefs = 32;        // to follow one after the other
constexpr int kComparedLevels = 8;  // levels that are compared to tell schemas apart
constexpr size_t kMaxText = 1 << 20;
constexpr size_t kMaxParseDepth = 256;
constexpr size_t kMaxKeys = 10'000;  // of one object; they are looked up one after the other

// Of a document, to tell schemas apart: a few properties that refer to each other ask for
// comparisons without end. In the cost of two schemas without lists.
constexpr int64_t kMaxComparisons = 50'000;
constexpr int64_t kValuesForOne = 16;  // pairs of listed values that cost as much

/// The values that the schema lists, if it does.
std::optional<std::span<const Json>> listed_values(const Json& schema) {
  if (!schema.is_object()) return {};
  if (const auto found = schema.find("const"); found != schema.end()) return std::span(&*found, 1);
  const auto found = schema.find("enum");
  if (found == schema.end() || !found->is_array()) return {};
  return std::span(found->get_ref<const Json::array_t&>());
}

// As unordered JSON: {"a": 1, "b": 2} is {"b": 2, "a": 1}.
bool have_common_value(std::span<const Json> some, std::span<const Json> others) {
  const std::vector<nlohmann::json> unordered(others.begin(), others.end());
  return std::ranges::any_of(some, [&](const Json& value) {
    return std::ranges::find(unordered, nlohmann::json(value)) != unordered.end();
  });
}

bool forbids_property(const Json& schema, const std::string& name) {
  const auto additional = schema.find("additionalProperties");
  if (additional == schema.end() || *additional != Json(false)) return false;
  const auto properties = schema.find("properties");
  return properties == schema.end() || !properties->contains(name);
}

}  // namespace

TypeSet type_of(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
      return kNull;
    case Json::value_t::boolean:
      return kBoolean;
    case Json::value_t::object:
      return kObject;
    case Json::value_t::array:
      return kArray;
    case Json::value_t::string:
      return kString;
    case Json::value_t::number_float: {
      const double number = value.get<double>();
      return number == std::trunc(number) ? kInteger : kFractional;
    }
    default:
      return kInteger;
  }
}

std::optional<TypeSet> keyword_types(std::string_view keyword) {
  static const std::map<std::string_view, TypeSet> kTypes = {{"properties", kObject},
                                                             {"required", kObject},
                                                             {"additionalProperties", kObject},
                                                             {"items", kArray},
                                                             {"prefixItems", kArray},
                                                             {"minItems", kArray},
                                                             {"maxItems", kArray},
                                                             {"minLength", kString},
                                                             {"maxLength", kString},
                                                             {"pattern", kString},
                                                             {"minimum", kNumber},
                                                             {"maximum", kNumber},
                                                             {"exclusiveMinimum", kNumber},
                                                             {"exclusiveMaximum", kNumber},
                                                             {"type", 0},
                                                             {"enum", 0},
                                                             {"const", 0},
                                                             {"anyOf", 0},
                                                             {"oneOf", 0},
                                                             {"allOf", 0},
                                                             {"$ref", 0}};
  const auto found = kTypes.find(keyword);
  if (found == kTypes.end()) return {};
  return found->second;
}

bool is_annotation(std::string_view keyword) {
  static constexpr std::string_view kNames[] = {
      "title",    "description", "default",  "examples",        "deprecated",
      "readOnly", "writeOnly",   "$comment", "$schema",         "$id",
      "$defs",    "definitions", "format",   "contentEncoding", "contentMediaType"};
  return std::ranges::find(kNames, keyword) != std::end(kNames);
}

TypeSet parse_types(const Json& type, const std::string& at) {
  static const std::map<std::string, TypeSet> kNames = {
      {"null", kNull},     {"boolean", kBoolean}, {"object", kObject}, {"array", kArray},
      {"string", kString}, {"integer", kInteger}, {"number", kNumber}};
  TypeSet types = 0;
  const auto add = [&](const Json& name) {
    const auto found = name.is_string() ? kNames.find(name.get<std::string>()) : kNames.end();
    if (found == kNames.end()) {
      fail(ErrorKind::kBadInput, "{}: type: {}, expected a type of JSON or a list of them", at,
           name.dump());
    }
    types |= found->second;
  };
  if (type.is_array()) {
    for (const Json& name : type) add(name);
  } else {
    add(type);
  }
  return types;
}

SchemaDocument::SchemaDocument(std::string_view text, std::string where)
    : where_(std::move(where)) {
  if (text.size() > kMaxText) {
    fail(ErrorKind::kUnsupported, "{}: {} bytes, expected at most {}", where_, text.size(),
         kMaxText);
  }
  const JsonNesting nesting = json_nesting(text);
  if (nesting.depth > kMaxParseDepth) {
    fail(ErrorKind::kUnsupported, "{}: more than {} levels", where_, kMaxParseDepth);
  }
  if (nesting.keys > kMaxKeys) {
    fail(ErrorKind::kUnsupported, "{}: more than {} keys in one object", where_, kMaxKeys);
  }
  try {
    root_ = Json::parse(text);
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorKind::kBadInput, "{}: {}", where_, error.what());
  }
}

const Json& SchemaDocument::find(const std::string& ref, const std::string& at) const {
  if (ref.empty() || ref[0] != '#' || (ref.size() > 1 && ref[1] != '/')) {
    fail(ErrorKind::kUnsupported, "{}: $ref: \"{}\", expected \"#\" and a JSON pointer", at, ref);
  }
  try {
    return root_.at(Json::json_pointer(ref.substr(1)));
  } catch (const nlohmann::json::exception&) {
    fail(ErrorKind::kBadInput, "{}: $ref: \"{}\" names nothing", at, ref);
  }
}

const Json& SchemaDocument::resolved(const Json& schema, const std::string& at) const {
  const Json* now = &schema;
  for (int i = 0; i < kMaxRefs; ++i) {
    if (!now->is_object()) break;
    const auto ref = now->find("$ref");
    if (ref == now->end() || !ref->is_string()) break;
    ++comparisons_;
    now = &find(ref->get<std::string>(), at);
  }
  return *now;
}

TypeSet SchemaDocument::types_of(const Json& unresolved, const std::string& at) const {
  const Json& schema = resolved(unresolved, at);
  if (!schema.is_object()) return kAllTypes;
  TypeSet types = kAllTypes;
  if (const auto type = schema.find("type"); type != schema.end()) types = parse_types(*type, at);
  if (const auto listed = listed_values(schema)) {
    TypeSet of_values = 0;
    for (const Json& value : *listed) of_values |= type_of(value);
    return types & of_values;
  }
  return types;
}

bool SchemaDocument::are_disjoint(const Json& a, const Json& b, const std::string& at) const {
  return disjoint(a, b, at, 0);
}

bool SchemaDocument::disjoint(const Json& left, const Json& right, const std::string& at,
                              int nesting) const {
  if (nesting > kComparedLevels || ++comparisons_ > kMaxComparisons) return false;
  const Json& a = resolved(left, at);
  const Json& b = resolved(right, at);
  if (!a.is_object() || !b.is_object()) return false;
  if ((types_of(a, at) & types_of(b, at)) == 0) return true;
  const auto values_a = listed_values(a), values_b = listed_values(b);
  if (values_a && values_b) {
    comparisons_ += std::ssize(*values_a) * std::ssize(*values_b) / kValuesForOne;
    return comparisons_ <= kMaxComparisons && !have_common_value(*values_a, *values_b);
  }
  const bool objects = types_of(a, at) == kObject && types_of(b, at) == kObject;
  return objects && told_apart_by_property(a, b, at, nesting);
}

bool SchemaDocument::told_apart_by_property(const Json& a, const Json& b, const std::string& at,
                                            int nesting) const {
  for (const auto& [one, other] : {std::pair(&a, &b), std::pair(&b, &a)}) {
    const auto required = one->find("required");
    if (required == one->end() || !required->is_array()) continue;
    for (const Json& entry : *required) {
      if (!entry.is_string()) continue;
      if (++comparisons_ > kMaxComparisons) return false;
      const auto name = entry.get<std::string>();
      if (forbids_property(*other, name)) return true;
      if (!one->contains("properties") || !other->contains("properties")) continue;
      const Json &of_one = one->at("properties"), &of_other = other->at("properties");
      if (of_one.contains(name) && of_other.contains(name) &&
          disjoint(of_one.at(name), of_other.at(name), at, nesting + 1)) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace fathom::engine
