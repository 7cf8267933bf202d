// What the schema compiler asks of a schema's JSON.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace fathom::engine {

using Json = nlohmann::ordered_json;

/// JSON types as bits. An integer is a number too.
using TypeSet = uint32_t;
constexpr TypeSet kNull = 1, kBoolean = 2, kObject = 4, kArray = 8, kString = 16, kInteger = 32,
                  kFractional = 64;  // numbers that are no integers
constexpr TypeSet kNumber = kInteger | kFractional;
constexpr TypeSet kAllTypes = 127;

/// Of a value.
TypeSet type_of(const Json& value);

/// The types that a keyword speaks about; 0 for one that is for all (enum, anyOf, $ref ...);
/// nothing for a keyword that is not known.
std::optional<TypeSet> keyword_types(std::string_view keyword);
/// Says nothing about which values are valid: title, description, default ...
bool is_annotation(std::string_view keyword);

/// A schema document: finds what a local $ref names. For one thread at a time.
class SchemaDocument {
 public:
  /// Throws Error(kBadInput) when the text is no JSON.
  SchemaDocument(std::string_view text, std::string where);

  const Json& root() const { return root_; }
  const std::string& where() const { return where_; }
  /// "#", or "#" and a JSON pointer. Throws Error naming `at`.
  const Json& find(const std::string& ref, const std::string& at) const;

  /// The types that "type", "const" or "enum" leave, here or where $ref points.
  TypeSet types_of(const Json& schema, const std::string& at) const;
  /// No value satisfies both, for a reason that is plain: types, enumerated values, or a required
  /// property that tells them apart. Where in doubt, false; so too once a document has asked for
  /// more comparisons than any has need of.
  bool are_disjoint(const Json& a, const Json& b, const std::string& at) const;

 private:
  const Json& resolved(const Json& schema, const std::string& at) const;
  bool told_apart_by_property(const Json& a, const Json& b, const std::string& at,
                              int nesting) const;
  bool disjoint(const Json& a, const Json& b, const std::string& at, int nesting) const;

  Json root_;
  std::string where_;
  mutable int64_t comparisons_ = 0;
};

/// "type" as a set. Throws Error naming `at` when it is no type or list of types.
TypeSet parse_types(const Json& type, const std::string& at);

}  // namespace fathom::engine
