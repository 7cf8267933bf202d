#include "engine/grammar/schema_compiler.h"

#include <algorithm>
#include <map>
#include <unordered_set>
#include <utility>

#include "base/error.h"
#include "engine/grammar/schema.h"

namespace fathom::engine {
namespace {

constexpr int kMaxSchemaDepth = 128;
constexpr size_t kMaxNodes = 20'000;
constexpr size_t kMaxPositionsOfAll = 50'000;  // of all patterns; 30 bytes of one can ask for 4,000

using Names = std::unordered_set<std::string>;

class Compiler {
 public:
  Compiler(const SchemaDocument& document, Program& program)
      : document_(document), program_(program) {}

  /// A node for the values of the schema that are of `allowed` types; kNoNode when there is none,
  /// because the schema is `false` or speaks of other types.
  NodeId compile(const Json& schema, const std::string& at, TypeSet allowed);

 private:
  NodeId reference(const Json& schema, const std::string& at, TypeSet allowed);
  NodeId alternatives(const Json& schema, const std::string& keyword, const std::string& at,
                      TypeSet allowed);
  NodeId listed(const Json& values, const std::string& at, TypeSet allowed);
  NodeId typed(const Json& schema, const std::string& at, TypeSet allowed);
  NodeId object(const Json& schema, const std::string& at);
  void add_properties(const Json& schema, const std::string& at, const Names& required,
                      ObjectNode& node);
  NodeId array(const Json& schema, const std::string& at);
  NodeId string(const Json& schema, const std::string& at);
  NodeId number(const Json& schema, const std::string& at, bool integer);

  Names required_names(const Json& schema, const std::string& at) const;
  void check_keywords(const Json& schema, const std::string& at) const;
  /// Refuses what stands beside `keyword` and would have to hold as well.
  void refuse_beside(const Json& schema, const std::string& keyword, const std::string& at,
                     bool type_too) const;
  int64_t count(const Json& schema, const char* keyword, const std::string& at,
                int64_t otherwise) const;
  NodeId needed(NodeId id, const std::string& at) const;
  std::string key_text(const std::string& name) const { return Json(name).dump(); }

  const SchemaDocument& document_;
  Program& program_;
  std::map<std::pair<std::string, TypeSet>, NodeId> references_;
  int depth_ = 0;
  size_t positions_ = 0;
};

std::string inside(const std::string& at, std::string_view key) {
  return at + "/" + std::string(key);
}

NodeId Compiler::needed(NodeId id, const std::string& at) const {
  if (id == kNoNode) fail(ErrorKind::kBadInput, "{}: no value satisfies it", at);
  return id;
}

void Compiler::check_keywords(const Json& schema, const std::string& at) const {
  for (const auto& [keyword, value] : schema.items()) {
    if (keyword_types(keyword) || is_annotation(keyword)) continue;
    if (keyword == "uniqueItems" && value == Json(false)) continue;
    fail(ErrorKind::kUnsupported, "{}: the keyword \"{}\" is not supported", at, keyword);
  }
}

void Compiler::refuse_beside(const Json& schema, const std::string& keyword, const std::string& at,
                             bool type_too) const {
  for (const auto& [other, value] : schema.items()) {
    if (other == keyword || is_annotation(other) || (other == "type" && !type_too)) continue;
    fail(ErrorKind::kUnsupported, "{}: \"{}\" beside \"{}\" is not supported", at, other, keyword);
  }
}

int64_t Compiler::count(const Json& schema, const char* keyword, const std::string& at,
                        int64_t otherwise) const {
  constexpr double kMost = 1 << 30;
  const auto found = schema.find(keyword);
  if (found == schema.end()) return otherwise;
  const bool whole = found->is_number() && type_of(*found) == kInteger;
  if (!whole || found->get<double>() < 0) {
    fail(ErrorKind::kBadInput, "{}: {}: {}, expected a whole number from 0", at, keyword,
         found->dump());
  }
  if (found->get<double>() > kMost) {
    fail(ErrorKind::kUnsupported, "{}: {}: {}, expected at most {}", at, keyword, found->dump(),
         static_cast<int64_t>(kMost));
  }
  return found->get<int64_t>();
}

NodeId Compiler::compile(const Json& schema, const std::string& at, TypeSet allowed) {
  if (schema.is_boolean()) {
    return schema.get<bool>() ? typed(Json::object(), at, allowed) : kNoNode;
  }
  if (!schema.is_object()) {
    fail(ErrorKind::kBadInput, "{}: {}, expected a schema: an object, true or false", at,
         schema.dump());
  }
  if (++depth_ > kMaxSchemaDepth) {
    fail(ErrorKind::kUnsupported, "{}: more than {} levels", at, kMaxSchemaDepth);
  }
  if (program_.nodes.size() > kMaxNodes) {
    fail(ErrorKind::kUnsupported, "{}: the schema is too large", at);
  }
  check_keywords(schema, at);
  if (const auto type = schema.find("type"); type != schema.end()) {
    allowed &= parse_types(*type, at);
  }
  NodeId id;
  if (schema.contains("$ref")) {
    id = reference(schema, at, allowed);
  } else if (schema.contains("allOf")) {
    refuse_beside(schema, "allOf", at, false);
    const Json& list = schema.at("allOf");
    if (!list.is_array() || list.size() != 1) {
      fail(ErrorKind::kUnsupported, "{}: allOf: expected one schema in it", at);
    }
    id = compile(list[0], inside(at, "allOf/0"), allowed);
  } else if (schema.contains("anyOf")) {
    id = alternatives(schema, "anyOf", at, allowed);
  } else if (schema.contains("oneOf")) {
    id = alternatives(schema, "oneOf", at, allowed);
  } else if (schema.contains("const")) {
    refuse_beside(schema, "const", at, false);
    id = listed(Json::array({schema.at("const")}), at, allowed);
  } else if (schema.contains("enum")) {
    refuse_beside(schema, "enum", at, false);
    id = listed(schema.at("enum"), at, allowed);
  } else {
    id = typed(schema, at, allowed);
  }
  --depth_;
  return id;
}

// The node is there before what it stands for, which may refer to itself.
NodeId Compiler::reference(const Json& schema, const std::string& at, TypeSet allowed) {
  refuse_beside(schema, "$ref", at, false);
  const Json& ref = schema.at("$ref");
  if (!ref.is_string()) {
    fail(ErrorKind::kBadInput, "{}: $ref: {}, expected a string", at, ref.dump());
  }
  const auto name = ref.get<std::string>();
  const auto [place, is_new] = references_.try_emplace({name, allowed}, kNoNode);
  if (!is_new) return place->second;
  const NodeId id = place->second = program_.add_either({});
  const NodeId target = compile(document_.find(name, at), document_.where() + ": " + name, allowed);
  std::get<EitherNode>(program_.nodes[id]).choices = {
      needed(target, document_.where() + ": " + name)};
  return id;
}

NodeId Compiler::alternatives(const Json& schema, const std::string& keyword, const std::string& at,
                              TypeSet allowed) {
  refuse_beside(schema, keyword, at, false);
  const Json& list = schema.at(keyword);
  if (!list.is_array() || list.empty()) {
    fail(ErrorKind::kBadInput, "{}: {}: expected a list of schemas", at, keyword);
  }
  std::vector<NodeId> choices;
  NodeId texts = kNoNode;  // among them, the listed values
  for (size_t i = 0; i < list.size(); ++i) {
    for (size_t j = 0; keyword == "oneOf" && j < i; ++j) {
      if (document_.are_disjoint(list[i], list[j], at)) continue;
      fail(
          ErrorKind::kUnsupported,
          "{}: oneOf: schemas {} and {} are not told apart by their types, by enumerated values or "
          "by a required property; anyOf asks for less",
          at, j, i);
    }
    const NodeId id = compile(list[i], inside(at, keyword + "/" + std::to_string(i)), allowed);
    if (id == kNoNode) continue;
    // Lists become one: [{"const": "a"}, {"const": "b"}].
    if (auto* more = std::get_if<ListedNode>(&program_.nodes[id])) {
      if (texts != kNoNode) {
        auto& all = std::get<ListedNode>(program_.nodes[texts]).texts;
        std::ranges::move(more->texts, std::back_inserter(all));
        continue;
      }
      texts = id;
    }
    choices.push_back(id);
  }
  return choices.empty() ? kNoNode : program_.add_either(std::move(choices));
}

NodeId Compiler::listed(const Json& values, const std::string& at, TypeSet allowed) {
  if (!values.is_array() || values.empty()) {
    fail(ErrorKind::kBadInput, "{}: enum: expected a list of values", at);
  }
  ListedNode node;
  for (const Json& value : values) {
    if ((type_of(value) & allowed) != 0) node.texts.push_back(value.dump());
  }
  return node.texts.empty() ? kNoNode : program_.add(std::move(node));
}

// Keywords for some types and no "type": only values of those types are made.
NodeId Compiler::typed(const Json& schema, const std::string& at, TypeSet allowed) {
  TypeSet spoken_of = 0;
  for (const auto& [keyword, value] : schema.items()) {
    spoken_of |= keyword_types(keyword).value_or(0);
  }
  if (spoken_of != 0 && !schema.contains("type")) allowed &= spoken_of;
  if (spoken_of == 0 && allowed == kAllTypes) return program_.any_value();
  std::vector<NodeId> choices;
  if ((allowed & kObject) != 0) choices.push_back(object(schema, at));
  if ((allowed & kArray) != 0) choices.push_back(array(schema, at));
  if ((allowed & kString) != 0) choices.push_back(string(schema, at));
  if ((allowed & kNumber) != 0) {
    choices.push_back(number(schema, at, (allowed & kFractional) == 0));
  }
  if ((allowed & kBoolean) != 0) {
    choices.push_back(program_.add_text("true"));
    choices.push_back(program_.add_text("false"));
  }
  if ((allowed & kNull) != 0) choices.push_back(program_.add_text("null"));
  if (choices.empty()) return kNoNode;
  return choices.size() == 1 ? choices[0] : program_.add_either(std::move(choices));
}

NodeId Compiler::object(const Json& schema, const std::string& at) {
  if (!schema.contains("properties") && !schema.contains("required") &&
      !schema.contains("additionalProperties")) {
    return program_.any_object();
  }
  ObjectNode node;
  Names required = required_names(schema, at);
  add_properties(schema, at, required, node);
  const auto additional = schema.find("additionalProperties");
  if (additional == schema.end()) {
    node.additional = program_.any_value();
  } else {
    node.additional = compile(*additional, inside(at, "additionalProperties"), kAllTypes);
  }
  if (node.additional != kNoNode) {
    StringNode key;
    if (schema.contains("properties") && !schema.at("properties").empty()) {
      const auto excluded = std::make_shared<Excluded>();
      for (const auto& [name, value] : schema.at("properties").items()) excluded->add(name);
      key.excluded = excluded;
    }
    node.additional_key = program_.add(std::move(key));
  }
  // Required properties that are not listed take their place among them, after the others.
  if (const auto listed = schema.find("properties"); listed != schema.end()) {
    for (const auto& [name, value] : listed->items()) required.erase(name);
  }
  if (!required.empty()) {
    for (const Json& entry : schema.at("required")) {
      const auto name = entry.get<std::string>();
      if (required.erase(name) == 0) continue;
      const NodeId value = needed(node.additional, inside(at, "required: " + name));
      node.properties.push_back({key_text(name), value, true});
    }
  }
  return program_.add(std::move(node));
}

Names Compiler::required_names(const Json& schema, const std::string& at) const {
  const auto required = schema.find("required");
  if (required == schema.end()) return {};
  const bool names = required->is_array() && std::ranges::all_of(*required, [](const Json& name) {
                       return name.is_string();
                     });
  if (!names) fail(ErrorKind::kBadInput, "{}: required: expected a list of names", at);
  Names all;
  for (const Json& name : *required) all.insert(name.get<std::string>());
  return all;
}

void Compiler::add_properties(const Json& schema, const std::string& at, const Names& required,
                              ObjectNode& node) {
  const auto properties = schema.find("properties");
  if (properties == schema.end()) return;
  if (!properties->is_object()) {
    fail(ErrorKind::kBadInput, "{}: properties: expected an object", at);
  }
  for (const auto& [name, value] : properties->items()) {
    const std::string place = inside(at, "properties/" + name);
    const bool is_required = required.contains(name);
    const NodeId id = compile(value, place, kAllTypes);
    if (id == kNoNode && !is_required) continue;  // never there
    node.properties.push_back({key_text(name), needed(id, place), is_required});
  }
}

NodeId Compiler::array(const Json& schema, const std::string& at) {
  ArrayNode node;
  node.min = count(schema, "minItems", at, 0);
  node.max = count(schema, "maxItems", at, -1);
  if (const auto prefix = schema.find("prefixItems"); prefix != schema.end()) {
    if (!prefix->is_array()) fail(ErrorKind::kBadInput, "{}: prefixItems: expected a list", at);
    for (size_t i = 0; i < prefix->size(); ++i) {
      const std::string place = inside(at, "prefixItems/" + std::to_string(i));
      node.prefix.push_back(needed(compile((*prefix)[i], place, kAllTypes), place));
    }
  }
  const auto items = schema.find("items");
  if (items != schema.end() && items->is_array()) {
    fail(ErrorKind::kUnsupported, "{}: items: a list, expected a schema; prefixItems takes a list",
         at);
  }
  node.items = items == schema.end() ? program_.any_value()
                                     : compile(*items, inside(at, "items"), kAllTypes);
  const bool endless = node.items != kNoNode;
  const int64_t most = endless ? node.max : std::ssize(node.prefix);
  if ((node.max >= 0 && node.min > node.max) || (!endless && node.min > most)) {
    fail(ErrorKind::kBadInput, "{}: minItems: {}, more than there can be", at, node.min);
  }
  return program_.add(std::move(node));
}

NodeId Compiler::string(const Json& schema, const std::string& at) {
  StringNode node;
  node.min = count(schema, "minLength", at, 0);
  node.max = count(schema, "maxLength", at, -1);
  if (node.max >= 0 && node.min > node.max) {
    fail(ErrorKind::kBadInput, "{}: minLength: {}, more than maxLength", at, node.min);
  }
  if (const auto pattern = schema.find("pattern"); pattern != schema.end()) {
    if (!pattern->is_string()) fail(ErrorKind::kBadInput, "{}: pattern: expected a string", at);
    if (node.min > 0 || node.max >= 0) {
      fail(ErrorKind::kUnsupported,
           "{}: \"pattern\" beside a length is not supported: write the "
           "length into the pattern",
           at);
    }
    node.pattern = std::make_shared<const Pattern>(
        compile_pattern(pattern->get<std::string>(), inside(at, "pattern")));
    positions_ += node.pattern->classes.size();
    if (positions_ > kMaxPositionsOfAll) {
      fail(ErrorKind::kUnsupported, "{}: pattern: with those before it too large when written out",
           at);
    }
  }
  return program_.add(std::move(node));
}

NodeId Compiler::number(const Json& schema, const std::string& at, bool integer) {
  using Bound = NumberRange::Bound;
  const auto bound = [&](const char* keyword, bool open) -> std::optional<Bound> {
    const auto found = schema.find(keyword);
    if (found == schema.end()) return {};
    if (!found->is_number()) {
      fail(ErrorKind::kBadInput, "{}: {}: {}, expected a number", at, keyword, found->dump());
    }
    return Bound{found->dump(), open};
  };
  const auto side = [&](const char* closed, const char* open) {
    const auto a = bound(closed, false), b = bound(open, true);
    if (a && b) {
      fail(ErrorKind::kUnsupported, "{}: \"{}\" beside \"{}\" is not supported", at, open, closed);
    }
    return a ? a : b;
  };
  return program_.add(NumberNode{NumberRange(integer, side("minimum", "exclusiveMinimum"),
                                             side("maximum", "exclusiveMaximum"), at)});
}

}  // namespace

NodeId compile_schema(std::string_view text, const std::string& where, Program& program) {
  const SchemaDocument document(text, where);
  const NodeId id = Compiler(document, program).compile(document.root(), where + ": #", kAllTypes);
  if (id == kNoNode) fail(ErrorKind::kBadInput, "{}: no value satisfies it", where);
  return id;
}

}  // namespace fathom::engine
