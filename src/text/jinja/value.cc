#include "text/jinja/value.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <stdexcept>

#include <nlohmann/json.hpp>

#include "text/json_string.h"

namespace fathom::text::jinja {
namespace {

constexpr int kMaxDepth = 200;

// Python's repr: the shortest digits that read back the same, an exponent below 1e-4 and from 1e16
// on.
std::string float_text(double d) {
  if (std::isnan(d)) return "nan";
  if (std::isinf(d)) return d > 0 ? "inf" : "-inf";
  const double size = std::fabs(d);
  const bool plain = size == 0 || (size >= 1e-4 && size < 1e16);
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, d,
                                 plain ? std::chars_format::fixed : std::chars_format::scientific);
  std::string text(buffer, end.ptr);
  if (plain && text.find('.') == std::string::npos) text += ".0";
  return text;
}

// Python's repr of a string: single quotes unless only those occur in it.
void write_string_repr(std::string& out, std::string_view s) {
  const char quote =
      s.find('\'') != std::string_view::npos && s.find('"') == std::string_view::npos ? '"' : '\'';
  out += quote;
  for (const char c : s) {
    if (c == quote || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      out += fmt::format("\\x{:02x}", static_cast<int>(c));
    } else {
      out += c;
    }
  }
  out += quote;
}

void check_size(const std::string& out) {
  if (out.size() > kMaxText) throw std::domain_error("a text of more than 64 MB");
}

}  // namespace

Value::Value(List items) {
  for (const Value& item : items) depth_ = std::max(depth_, item.depth_ + 1);
  if (depth_ > kMaxDepth) throw std::domain_error("nested too deeply");
  data_ = std::make_shared<const List>(std::move(items));
}

Value::Value(Dict dict) {
  for (const auto& entry : dict.entries()) depth_ = std::max(depth_, entry.second.depth_ + 1);
  if (depth_ > kMaxDepth) throw std::domain_error("nested too deeply");
  data_ = std::make_shared<const Dict>(std::move(dict));
}

Value Value::from_json(const nlohmann::ordered_json& json) {
  switch (json.type()) {
    case nlohmann::ordered_json::value_t::boolean:
      return json.get<bool>();
    case nlohmann::ordered_json::value_t::number_integer:
      return json.get<int64_t>();
    case nlohmann::ordered_json::value_t::number_unsigned: {
      const auto value = json.get<uint64_t>();
      if (value > static_cast<uint64_t>(INT64_MAX)) return static_cast<double>(value);
      return static_cast<int64_t>(value);
    }
    case nlohmann::ordered_json::value_t::number_float:
      return json.get<double>();
    case nlohmann::ordered_json::value_t::string:
      return json.get<std::string>();
    case nlohmann::ordered_json::value_t::array: {
      List items;
      for (const auto& item : json) items.push_back(from_json(item));
      return items;
    }
    case nlohmann::ordered_json::value_t::object: {
      Dict dict;
      for (const auto& [key, value] : json.items()) dict.set(key, from_json(value));
      return dict;
    }
    default:
      return None{};
  }
}

const Value* Dict::find(std::string_view key) const {
  for (const auto& [name, value] : entries_) {
    if (name == key) return &value;
  }
  return nullptr;
}

void Dict::set(std::string_view key, Value value) {
  for (auto& [name, old] : entries_) {
    if (name == key) {
      old = std::move(value);
      return;
    }
  }
  entries_.emplace_back(std::string(key), std::move(value));
}

double Value::number() const {
  if (const auto* d = as_float()) return *d;
  return static_cast<double>(integer());
}

int64_t Value::integer() const {
  if (const auto* b = as_bool()) return *b ? 1 : 0;
  const auto* i = as_int();
  return i ? *i : 0;
}

std::string_view Value::type_name() const {
  static constexpr std::string_view kNames[] = {"undefined", "none",    "boolean", "integer",
                                                "float",     "string",  "list",    "mapping",
                                                "namespace", "function"};
  return kNames[data_.index()];
}

bool Value::truthy() const {
  if (const auto* b = as_bool()) return *b;
  if (const auto* i = as_int()) return *i != 0;
  if (const auto* d = as_float()) return *d != 0;
  if (const auto* s = as_string()) return !s->empty();
  if (const auto* l = as_list()) return !l->empty();
  if (const auto* d = as_dict()) return !d->entries().empty();
  return as_namespace() || as_function();
}

bool Value::operator==(const Value& other) const {
  size_t comparisons = 0;
  return equal(*this, other, comparisons);
}

bool Value::equal(const Value& a, const Value& b, size_t& comparisons) {
  if (++comparisons > kMaxText) throw std::domain_error("too large to compare");
  if (a.is_number() && b.is_number()) {
    if (a.as_float() || b.as_float()) return a.number() == b.number();
    return a.integer() == b.integer();
  }
  if (a.data_.index() != b.data_.index()) return false;
  if (a.as_string()) return *a.as_string() == *b.as_string();
  if (a.as_namespace()) return a.as_namespace() == b.as_namespace();
  if (a.as_function()) return a.as_function()->name == b.as_function()->name;
  if (const auto* list = a.as_list()) {
    const auto same = [&](const Value& x, const Value& y) { return equal(x, y, comparisons); };
    return std::equal(list->begin(), list->end(), b.as_list()->begin(), b.as_list()->end(), same);
  }
  if (const auto* dict = a.as_dict()) {
    if (dict->entries().size() != b.as_dict()->entries().size()) return false;
    for (const auto& [key, value] : dict->entries()) {
      const Value* other = b.as_dict()->find(key);
      if (other == nullptr || !equal(value, *other, comparisons)) return false;
    }
  }
  return true;
}

std::string Value::to_string() const {
  if (const auto* s = as_string()) return *s;
  std::string out;
  write_repr(out);
  return out;
}

void Value::write_repr(std::string& out) const {
  check_size(out);
  if (is_undefined()) return;
  if (is_none()) {
    out += "None";
  } else if (const auto* b = as_bool()) {
    out += *b ? "True" : "False";
  } else if (const auto* i = as_int()) {
    out += std::to_string(*i);
  } else if (const auto* d = as_float()) {
    out += float_text(*d);
  } else if (const auto* s = as_string()) {
    write_string_repr(out, *s);
  } else if (const auto* list = as_list()) {
    out += '[';
    for (size_t k = 0; k < list->size(); ++k) {
      if (k > 0) out += ", ";
      (*list)[k].write_repr(out);
    }
    out += ']';
  } else if (const auto* dict = as_dict()) {
    out += '{';
    bool first = true;
    for (const auto& [key, value] : dict->entries()) {
      if (!first) out += ", ";
      first = false;
      write_string_repr(out, key);
      out += ": ";
      value.write_repr(out);
    }
    out += '}';
  } else {
    throw std::domain_error(fmt::format("a {} cannot be printed", type_name()));
  }
}

std::string Value::to_json(int indent) const {
  std::string out;
  write_json(out, indent, 0);
  return out;
}

void Value::write_json(std::string& out, int indent, int level) const {
  check_size(out);
  const auto line = [&](int at) {
    if (indent < 0) return;
    out += '\n';
    out.append(static_cast<size_t>(indent) * static_cast<size_t>(at), ' ');
  };
  const std::string_view separator = indent < 0 ? ", " : ",";
  if (is_none()) {
    out += "null";
  } else if (const auto* b = as_bool()) {
    out += *b ? "true" : "false";
  } else if (const auto* i = as_int()) {
    out += std::to_string(*i);
  } else if (const auto* d = as_float()) {
    out += std::isnan(*d)   ? "NaN"
           : std::isinf(*d) ? (*d > 0 ? "Infinity" : "-Infinity")
                            : float_text(*d);
  } else if (const auto* s = as_string()) {
    append_json_string(out, *s);
  } else if (const auto* list = as_list()) {
    out += '[';
    for (size_t k = 0; k < list->size(); ++k) {
      if (k > 0) out += separator;
      line(level + 1);
      (*list)[k].write_json(out, indent, level + 1);
    }
    if (!list->empty()) line(level);
    out += ']';
  } else if (const auto* dict = as_dict()) {
    out += '{';
    bool first = true;
    for (const auto& [key, value] : dict->entries()) {
      if (!first) out += separator;
      first = false;
      line(level + 1);
      append_json_string(out, key);
      out += ": ";
      value.write_json(out, indent, level + 1);
    }
    if (!first) line(level);
    out += '}';
  } else {
    throw std::domain_error(fmt::format("{} has no JSON form", type_name()));
  }
}

}  // namespace fathom::text::jinja
