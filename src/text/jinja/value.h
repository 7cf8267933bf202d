// The values that a template computes with: Python's, as far as templates see them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace fathom::text::jinja {

class Value;
class MacroStatement;

using List = std::vector<Value>;

/// In order of insertion. Keys are strings.
class Dict {
 public:
  const Value* find(std::string_view key) const;
  void set(std::string_view key, Value value);
  const std::vector<std::pair<std::string, Value>>& entries() const { return entries_; }

 private:
  std::vector<std::pair<std::string, Value>> entries_;
};

inline constexpr size_t kMaxText = size_t{64} << 20;

struct Undefined {};
struct None {};

/// What namespace(...) makes: the one thing that a template can change in place. The render that
/// made it owns it, so that one which holds itself does no harm.
struct Namespace {
  Dict fields;
};

/// Something to call: a macro, or (macro null) the built-in function of that name.
struct Function {
  std::string_view name;
  const MacroStatement* macro = nullptr;
};

/// Immutable but for namespaces, and cheap to copy. Conversions throw std::domain_error where they
/// would take more than kMaxText bytes or comparisons: lists that hold the same list twice can be
/// exponentially large on paper.
class Value {
 public:
  Value() : data_(Undefined{}) {}
  Value(None) : data_(None{}) {}
  Value(bool b) : data_(b) {}
  Value(int64_t i) : data_(i) {}
  Value(double d) : data_(d) {}
  Value(std::string s) : data_(std::make_shared<const std::string>(std::move(s))) {}
  Value(std::string_view s) : Value(std::string(s)) {}
  Value(const char* s) : Value(std::string(s)) {}
  /// Throws std::domain_error when the nesting gets deeper than 200.
  Value(List items);
  Value(Dict dict);
  Value(Namespace* ns) : data_(ns) {}
  Value(Function f) : data_(f) {}
  static Value from_json(const nlohmann::ordered_json& json);

  bool is_undefined() const { return std::holds_alternative<Undefined>(data_); }
  bool is_none() const { return std::holds_alternative<None>(data_); }
  // Null unless the value is of that kind.
  const bool* as_bool() const { return std::get_if<bool>(&data_); }
  const int64_t* as_int() const { return std::get_if<int64_t>(&data_); }
  const double* as_float() const { return std::get_if<double>(&data_); }
  const std::string* as_string() const { return shared<std::string>(); }
  const List* as_list() const { return shared<List>(); }
  const Dict* as_dict() const { return shared<Dict>(); }
  const Function* as_function() const { return std::get_if<Function>(&data_); }
  Namespace* as_namespace() const {
    const auto* ns = std::get_if<Namespace*>(&data_);
    return ns ? *ns : nullptr;
  }
  bool is_number() const { return as_int() || as_float() || as_bool(); }
  /// Of a number; true counts as 1.
  double number() const;
  /// Of an integer or a truth value.
  int64_t integer() const;

  /// "string", "list" and so on, for messages.
  std::string_view type_name() const;
  bool truthy() const;
  bool operator==(const Value& other) const;

  /// What `{{ value }}` prints, and ~ joins: Python's str().
  std::string to_string() const;
  /// Python's json.dumps(ensure_ascii=False); indent -1 for one line. Throws std::domain_error for
  /// what JSON has no form for.
  std::string to_json(int indent = -1) const;

 private:
  template <typename T>
  const T* shared() const {
    const auto* pointer = std::get_if<std::shared_ptr<const T>>(&data_);
    return pointer ? pointer->get() : nullptr;
  }
  static bool equal(const Value& a, const Value& b, size_t& comparisons);
  void write_repr(std::string& out) const;
  void write_json(std::string& out, int indent, int level) const;

  std::variant<Undefined, None, bool, int64_t, double, std::shared_ptr<const std::string>,
               std::shared_ptr<const List>, std::shared_ptr<const Dict>, Namespace*, Function>
      data_;
  int depth_ = 0;  // of nested lists and mappings
};

}  // namespace fathom::text::jinja
