#include "text/jinja/operators.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "text/jinja/strings.h"
#include "text/utf8.h"

namespace fathom::text::jinja {
namespace {

[[noreturn]] void wrong_types(std::string_view op, const Value& left, const Value& right) {
  throw std::domain_error(
      fmt::format("'{}' does not take {} and {}", op, left.type_name(), right.type_name()));
}

std::string joined(const std::string& left, const std::string& right) {
  if (left.size() + right.size() > kMaxText) throw std::domain_error("a text of more than 64 MB");
  return left + right;
}

Value repeated(const std::string& text, int64_t times) {
  std::string out;
  if (times <= 0 || text.empty()) return out;
  if (static_cast<uint64_t>(times) > kMaxText / text.size()) {
    throw std::domain_error("a text of more than 64 MB");
  }
  out.reserve(text.size() * static_cast<size_t>(times));
  for (int64_t i = 0; i < times; ++i) out += text;
  return out;
}

int64_t floor_divide(int64_t a, int64_t b) {
  const int64_t quotient = a / b;
  return quotient - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
}

Value integer_operator(std::string_view op, int64_t a, int64_t b) {
  int64_t result = 0;
  bool overflow = false;
  if (op == "+") {
    overflow = __builtin_add_overflow(a, b, &result);
  } else if (op == "-") {
    overflow = __builtin_sub_overflow(a, b, &result);
  } else if (op == "*") {
    overflow = __builtin_mul_overflow(a, b, &result);
  } else {
    if (b == 0) throw std::domain_error("division by zero");
    if (op == "/") return static_cast<double>(a) / static_cast<double>(b);
    overflow = a == INT64_MIN && b == -1;
    if (!overflow) result = op == "//" ? floor_divide(a, b) : a - floor_divide(a, b) * b;
  }
  if (overflow) throw std::domain_error("an integer beyond 64 bits");
  return result;
}

Value power(const Value& base, const Value& exponent) {
  if (base.as_float() || exponent.as_float() || exponent.integer() < 0) {
    return std::pow(base.number(), exponent.number());
  }
  Value result = int64_t{1};
  if (exponent.integer() > 64 && std::abs(base.number()) > 1) {
    throw std::domain_error("an integer beyond 64 bits");
  }
  const int64_t times = std::min<int64_t>(exponent.integer(), 64 + exponent.integer() % 2);
  for (int64_t i = 0; i < times; ++i)
    result = integer_operator("*", result.integer(), base.integer());
  return result;
}

Value number_operator(std::string_view op, const Value& left, const Value& right) {
  if (op == "**") return power(left, right);
  if (!left.as_float() && !right.as_float()) {
    return integer_operator(op, left.integer(), right.integer());
  }
  const double a = left.number(), b = right.number();
  if (op == "+") return a + b;
  if (op == "-") return a - b;
  if (op == "*") return a * b;
  if (b == 0) throw std::domain_error("division by zero");
  if (op == "/") return a / b;
  const double quotient = std::floor(a / b);
  return op == "//" ? quotient : a - quotient * b;
}

// Of an index counted from the end when negative; -1 when it is outside.
int64_t place(int64_t index, size_t size) {
  const auto n = static_cast<int64_t>(size);
  if (index < 0) index += n;
  return index >= 0 && index < n ? index : -1;
}

// The indices that a slice takes (Python's slice.indices).
std::vector<size_t> slice_indices(size_t size, const Value& start, const Value& stop,
                                  int64_t step) {
  const auto n = static_cast<int64_t>(size);
  const auto bound = [n, step](const Value& value, int64_t otherwise) {
    if (value.is_undefined() || value.is_none()) return otherwise;
    if (!value.as_int() && !value.as_bool()) throw std::domain_error("a slice takes integers");
    int64_t i = value.integer();
    if (i < 0) i = i < -n ? -1 : i + n;
    return step > 0 ? std::clamp<int64_t>(i, 0, n) : std::clamp<int64_t>(i, -1, n - 1);
  };
  const int64_t from = bound(start, step > 0 ? 0 : n - 1);
  const int64_t to = bound(stop, step > 0 ? n : -1);
  std::vector<size_t> indices;
  step = std::clamp<int64_t>(step, -n - 1, n + 1);
  for (int64_t i = from; step > 0 ? i < to : i > to; i += step) {
    indices.push_back(static_cast<size_t>(i));
  }
  return indices;
}

}  // namespace

Value apply_operator(std::string_view op, const Value& left, const Value& right) {
  if (op == "~") return joined(left.to_string(), right.to_string());
  if (left.is_number() && right.is_number()) return number_operator(op, left, right);
  if (op == "+" && left.as_string() && right.as_string()) {
    return joined(*left.as_string(), *right.as_string());
  }
  if (op == "+" && left.as_list() && right.as_list()) {
    List all = *left.as_list();
    all.insert(all.end(), right.as_list()->begin(), right.as_list()->end());
    return all;
  }
  if (op == "*" && left.as_string() && right.as_int()) {
    return repeated(*left.as_string(), right.integer());
  }
  if (op == "*" && left.as_int() && right.as_string()) {
    return repeated(*right.as_string(), left.integer());
  }
  wrong_types(op, left, right);
}

bool compare(std::string_view op, const Value& left, const Value& right) {
  if (op == "==") return left == right;
  if (op == "!=") return !(left == right);
  if (op == "in") return contains(right, left);
  if (op == "not in") return !contains(right, left);
  int order = 0;
  if (left.is_number() && right.is_number()) {
    order = left.number() < right.number() ? -1 : left.number() > right.number() ? 1 : 0;
  } else if (left.as_string() && right.as_string()) {
    order = left.as_string()->compare(*right.as_string());  // as UTF-8 and as code points alike
  } else {
    wrong_types(op, left, right);
  }
  if (op == "<") return order < 0;
  if (op == "<=") return order <= 0;
  if (op == ">") return order > 0;
  return order >= 0;
}

bool contains(const Value& container, const Value& item) {
  if (const auto* list = container.as_list()) {
    return std::find(list->begin(), list->end(), item) != list->end();
  }
  if (const auto* text = container.as_string()) {
    if (!item.as_string()) wrong_types("in", item, container);
    return text->find(*item.as_string()) != std::string::npos;
  }
  if (const auto* dict = container.as_dict()) {
    return item.as_string() && dict->find(*item.as_string()) != nullptr;
  }
  if (container.is_undefined()) return false;
  wrong_types("in", item, container);
}

Value field_of(const Value& object, std::string_view name) {
  const Dict* fields = object.as_dict();
  if (object.as_namespace()) fields = &object.as_namespace()->fields;
  if (fields == nullptr) return {};
  const Value* found = fields->find(name);
  return found ? *found : Value();
}

Value element_of(const Value& object, const Value& key) {
  if (const auto* name = key.as_string()) return field_of(object, *name);
  if (!key.as_int() && !key.as_bool()) return {};
  if (const auto* list = object.as_list()) {
    const int64_t at = place(key.integer(), list->size());
    return at < 0 ? Value() : (*list)[static_cast<size_t>(at)];
  }
  if (const auto* text = object.as_string()) {
    const auto characters = characters_of(*text);
    const int64_t at = place(key.integer(), characters.size());
    return at < 0 ? Value() : Value(characters[static_cast<size_t>(at)]);
  }
  return {};
}

Value slice_of(const Value& object, const Value& start, const Value& stop, const Value& step) {
  if (!step.is_undefined() && !step.is_none() && !step.as_int()) {
    throw std::domain_error("a slice takes integers");
  }
  const int64_t stride = step.as_int() ? *step.as_int() : 1;
  if (stride == 0) throw std::domain_error("the step of a slice is 0");
  if (const auto* list = object.as_list()) {
    List part;
    for (const size_t i : slice_indices(list->size(), start, stop, stride))
      part.push_back((*list)[i]);
    return part;
  }
  if (const auto* text = object.as_string()) {
    const auto characters = characters_of(*text);
    std::string part;
    for (const size_t i : slice_indices(characters.size(), start, stop, stride))
      part += characters[i];
    return part;
  }
  throw std::domain_error(fmt::format("a {} cannot be sliced", object.type_name()));
}

List items_of(const Value& value) {
  if (const auto* list = value.as_list()) return *list;
  List items;
  if (const auto* dict = value.as_dict()) {
    for (const auto& entry : dict->entries()) items.push_back(entry.first);
  } else if (const auto* text = value.as_string()) {
    for (const std::string_view c : characters_of(*text)) items.push_back(c);
  } else if (!value.is_undefined()) {
    throw std::domain_error(fmt::format("a {} cannot be gone through", value.type_name()));
  }
  return items;
}

size_t cost_of(const Value& value) {
  if (const auto* text = value.as_string()) return text->size() / 16;
  if (const auto* list = value.as_list()) return list->size();
  if (const auto* dict = value.as_dict()) return dict->entries().size();
  return 0;
}

}  // namespace fathom::text::jinja
