#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <iterator>
#include <optional>
#include <stdexcept>

#include "text/jinja/builtins.h"
#include "text/jinja/operators.h"
#include "text/jinja/strings.h"

namespace fathom::text::jinja {
namespace {

std::string text_of(const Value& value, std::string_view what) {
  if (!value.as_string()) {
    throw std::domain_error(fmt::format("{} takes a string, not {}", what, value.type_name()));
  }
  return *value.as_string();
}

int64_t integer_or(const Value& value, int64_t otherwise) {
  if (value.is_undefined() || value.is_none()) return otherwise;
  if (!value.as_int() && !value.as_bool()) throw std::domain_error("expected an integer");
  return value.integer();
}

Value length(Context&, const Value& input, const Arguments&) {
  if (const auto* s = input.as_string()) return static_cast<int64_t>(characters_of(*s).size());
  if (const auto* dict = input.as_dict()) return static_cast<int64_t>(dict->entries().size());
  return static_cast<int64_t>(items_of(input).size());
}

Value trim(Context&, const Value& input, const Arguments& arguments) {
  const std::string text = input.to_string();
  const Value characters = argument(arguments, 0, "chars");
  if (characters.is_undefined() || characters.is_none()) return strip(text, true, true);
  return strip(text, true, true, text_of(characters, "trim"));
}

Value default_value(Context&, const Value& input, const Arguments& arguments) {
  const bool also_false = argument(arguments, 1, "boolean").truthy();
  if (!input.is_undefined() && (!also_false || input.truthy())) return input;
  const Value otherwise = argument(arguments, 0, "default_value");
  return otherwise.is_undefined() ? Value("") : otherwise;
}

Value first(Context&, const Value& input, const Arguments&) {
  const List items = items_of(input);
  return items.empty() ? Value() : items.front();
}

Value last(Context&, const Value& input, const Arguments&) {
  const List items = items_of(input);
  return items.empty() ? Value() : items.back();
}

// The part of `item` that `attribute` names, "a.b" being the b of its a.
Value attribute_of(Value item, const Value& attribute) {
  if (attribute.as_int()) return element_of(item, attribute);
  const std::string path = text_of(attribute, "attribute");
  for (const std::string_view name : split_at(path, ".", -1)) item = field_of(item, name);
  return item;
}

Value join(Context&, const Value& input, const Arguments& arguments) {
  const Value separator = argument(arguments, 0, "d");
  const Value attribute = argument(arguments, 1, "attribute");
  std::string out;
  bool first_item = true;
  for (const Value& item : items_of(input)) {
    if (!first_item && !separator.is_undefined()) out += separator.to_string();
    first_item = false;
    out += (attribute.is_undefined() ? item : attribute_of(item, attribute)).to_string();
    if (out.size() > kMaxText) throw std::domain_error("a text of more than 64 MB");
  }
  return out;
}

Value to_json(Context&, const Value& input, const Arguments& arguments) {
  const Value ascii = argument(arguments, 1, "ensure_ascii");
  if (ascii.truthy()) throw std::domain_error("tojson(ensure_ascii=true) is not supported");
  const int64_t indent = integer_or(argument(arguments, 0, "indent"), -1);
  if (indent > 16) throw std::domain_error("tojson takes an indent of at most 16");
  return input.to_json(indent < 0 ? -1 : static_cast<int>(indent));
}

Value to_integer(Context&, const Value& input, const Arguments& arguments) {
  if (input.is_number()) {
    const double number = std::trunc(input.number());
    if (!input.as_float()) return input.integer();
    if (std::fabs(number) < 0x1p63) return static_cast<int64_t>(number);
  } else if (input.as_string()) {
    const std::string_view text = strip(*input.as_string(), true, true);
    int64_t value = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
    if (read.ec == std::errc() && read.ptr == text.data() + text.size()) return value;
    double number = 0;
    const auto real = std::from_chars(text.data(), text.data() + text.size(), number);
    if (real.ec == std::errc() && real.ptr == text.data() + text.size() &&
        std::fabs(number) < 0x1p63) {
      return static_cast<int64_t>(number);
    }
  }
  return integer_or(argument(arguments, 0, "default"), 0);
}

Value to_float(Context&, const Value& input, const Arguments& arguments) {
  if (input.is_number()) return input.number();
  if (input.as_string()) {
    const std::string_view text = strip(*input.as_string(), true, true);
    double number = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
    if (read.ec == std::errc() && read.ptr == text.data() + text.size()) return number;
  }
  const Value otherwise = argument(arguments, 0, "default");
  return otherwise.is_number() ? otherwise.number() : 0.0;
}

Value replace(Context&, const Value& input, const Arguments& arguments) {
  const std::string text = input.to_string();
  const std::string from = argument(arguments, 0, "old").to_string();
  const std::string to = argument(arguments, 1, "new").to_string();
  if (to.size() > from.size() && (text.size() + 1) * (to.size() + 1) > kMaxText) {
    throw std::domain_error("replace could make a text of more than 64 MB");
  }
  return replace_all(text, from, to, integer_or(argument(arguments, 2, "count"), -1));
}

Value reverse(Context&, const Value& input, const Arguments&) {
  List items = items_of(input);
  std::reverse(items.begin(), items.end());
  if (!input.as_string()) return items;
  std::string text;
  for (const Value& item : items) text += *item.as_string();
  return text;
}

Value items(Context&, const Value& input, const Arguments&) {
  List pairs;
  if (input.is_undefined()) return pairs;
  if (!input.as_dict()) throw std::domain_error("items takes a mapping");
  for (const auto& [key, value] : input.as_dict()->entries()) pairs.push_back(List{key, value});
  return pairs;
}

// Strings compare without case unless told otherwise.
bool comes_before(const Value& a, const Value& b, bool case_sensitive) {
  if (a.as_string() && b.as_string() && !case_sensitive) {
    return lower(*a.as_string()) < lower(*b.as_string());
  }
  return compare("<", a, b);
}

Value sort(Context&, const Value& input, const Arguments& arguments) {
  const bool descending = argument(arguments, 0, "reverse").truthy();
  const bool case_sensitive = argument(arguments, 1, "case_sensitive").truthy();
  const Value attribute = argument(arguments, 2, "attribute");
  List sorted = items_of(input);
  std::stable_sort(sorted.begin(), sorted.end(), [&](const Value& a, const Value& b) {
    const Value x = attribute.is_undefined() ? a : attribute_of(a, attribute);
    const Value y = attribute.is_undefined() ? b : attribute_of(b, attribute);
    return descending ? comes_before(y, x, case_sensitive) : comes_before(x, y, case_sensitive);
  });
  return sorted;
}

Value sort_items(Context& context, const Value& input, const Arguments& arguments) {
  const bool case_sensitive = argument(arguments, 0, "case_sensitive").truthy();
  const Value by = argument(arguments, 1, "by");
  const bool descending = argument(arguments, 2, "reverse").truthy();
  const int64_t part = !by.is_undefined() && by == Value("value") ? 1 : 0;
  List pairs = *items(context, input, {}).as_list();
  std::stable_sort(pairs.begin(), pairs.end(), [&](const Value& a, const Value& b) {
    const Value x = element_of(a, part), y = element_of(b, part);
    return descending ? comes_before(y, x, case_sensitive) : comes_before(x, y, case_sensitive);
  });
  return pairs;
}

Value unique(Context&, const Value& input, const Arguments&) {
  List kept;
  for (const Value& item : items_of(input)) {
    if (std::find(kept.begin(), kept.end(), item) == kept.end()) kept.push_back(item);
    if (kept.size() > 10000) throw std::domain_error("unique takes at most 10000 different items");
  }
  return kept;
}

// The arguments from number `from` on.
Arguments rest_of(const Arguments& arguments, size_t from) {
  Arguments rest;
  for (size_t i = from; i < arguments.positional.size(); ++i) {
    rest.positional.push_back(arguments.positional[i]);
  }
  return rest;
}

// map(attribute='a'), or map('filter', arguments...).
Value map(Context& context, const Value& input, const Arguments& arguments) {
  const Value attribute = argument(arguments, SIZE_MAX, "attribute");
  const Value otherwise = argument(arguments, SIZE_MAX, "default");
  List mapped;
  for (const Value& item : items_of(input)) {
    if (!attribute.is_undefined()) {
      const Value part = attribute_of(item, attribute);
      mapped.push_back(part.is_undefined() ? otherwise : part);
    } else {
      const std::string name = text_of(argument(arguments, 0, ""), "map");
      if (!filter_is_known(name))
        throw std::domain_error("the filter '" + name + "' is not supported");
      mapped.push_back(apply_filter(context, name, item, rest_of(arguments, 1)));
    }
  }
  return mapped;
}

// select('test', ...) and selectattr('attribute', 'test', ...), or without a test what is true.
Value select_where(const Value& input, const Arguments& arguments, bool by_attribute, bool keep) {
  const size_t test_at = by_attribute ? 1 : 0;
  const Value attribute = argument(arguments, 0, "");
  List kept;
  for (const Value& item : items_of(input)) {
    const Value subject = by_attribute ? attribute_of(item, attribute) : item;
    bool passes = subject.truthy();
    if (arguments.positional.size() > test_at) {
      const std::string name = text_of(arguments.positional[test_at], "select");
      if (!test_is_known(name)) throw std::domain_error("the test '" + name + "' is not supported");
      passes = apply_test(name, subject, rest_of(arguments, test_at + 1));
    }
    if (passes == keep) kept.push_back(item);
  }
  return kept;
}

// Lines after the first (with `first`, it too) get spaces before them; empty ones only with
// `blank`.
Value indent(Context&, const Value& input, const Arguments& arguments) {
  const Value width = argument(arguments, 0, "width");
  const bool first_too = argument(arguments, 1, "first").truthy();
  const bool blank_too = argument(arguments, 2, "blank").truthy();
  std::string pad = "    ";
  if (width.as_string()) {
    pad = *width.as_string();
  } else if (!width.is_undefined()) {
    pad = std::string(static_cast<size_t>(std::clamp<int64_t>(integer_or(width, 4), 0, 1000)), ' ');
  }
  const std::string text = input.to_string();
  std::string out;
  bool at_first = true;
  for (const std::string_view line : split_at(text, "\n", -1)) {
    if (!at_first) out += '\n';
    if ((!at_first || first_too) && (!line.empty() || blank_too)) out += pad;
    out += line;
    at_first = false;
    if (out.size() > kMaxText) throw std::domain_error("a text of more than 64 MB");
  }
  return out;
}

Value round_number(Context&, const Value& input, const Arguments& arguments) {
  if (!input.is_number()) throw std::domain_error("round takes a number");
  const int64_t digits =
      std::clamp<int64_t>(integer_or(argument(arguments, 0, "precision"), 0), -20, 20);
  const Value method = argument(arguments, 1, "method");
  const double scale = std::pow(10.0, static_cast<double>(digits));
  const double scaled = input.number() * scale;
  if (method == Value("ceil")) return std::ceil(scaled) / scale;
  if (method == Value("floor")) return std::floor(scaled) / scale;
  return std::nearbyint(scaled) / scale;
}

using Filter = Value (*)(Context&, const Value&, const Arguments&);

struct FilterEntry {
  std::string_view name;
  Filter apply;
  std::initializer_list<std::string_view> arguments;  ///< positional in this order, or by name
};

const FilterEntry kFilters[] = {
    {"abs",
     [](Context&, const Value& v, const Arguments&) -> Value {
       if (!v.is_number()) throw std::domain_error("abs takes a number");
       return v.as_float() ? Value(std::fabs(v.number()))
                           : apply_operator("*", v, int64_t{v.integer() < 0 ? -1 : 1});
     },
     {}},
    {"capitalize",
     [](Context&, const Value& v, const Arguments&) -> Value { return capitalize(v.to_string()); },
     {}},
    {"count", length, {}},
    {"d", default_value, {"default_value", "boolean"}},
    {"default", default_value, {"default_value", "boolean"}},
    {"dictsort", sort_items, {"case_sensitive", "by", "reverse"}},
    {"first", first, {}},
    {"float", to_float, {"default"}},
    {"indent", indent, {"width", "first", "blank"}},
    {"int", to_integer, {"default"}},
    {"items", items, {}},
    {"join", join, {"d", "attribute"}},
    {"last", last, {}},
    {"length", length, {}},
    {"list", [](Context&, const Value& v, const Arguments&) -> Value { return items_of(v); }, {}},
    {"lower",
     [](Context&, const Value& v, const Arguments&) -> Value { return lower(v.to_string()); },
     {}},
    {"map", map, {"", "", "", "", "attribute", "default"}},
    {"reject",
     [](Context&, const Value& v, const Arguments& a) { return select_where(v, a, false, false); },
     {"", "", ""}},
    {"rejectattr",
     [](Context&, const Value& v, const Arguments& a) { return select_where(v, a, true, false); },
     {"", "", "", ""}},
    {"replace", replace, {"old", "new", "count"}},
    {"reverse", reverse, {}},
    {"round", round_number, {"precision", "method"}},
    {"safe", [](Context&, const Value& v, const Arguments&) -> Value { return v; }, {}},
    {"select",
     [](Context&, const Value& v, const Arguments& a) { return select_where(v, a, false, true); },
     {"", "", ""}},
    {"selectattr",
     [](Context&, const Value& v, const Arguments& a) { return select_where(v, a, true, true); },
     {"", "", "", ""}},
    {"sort", sort, {"reverse", "case_sensitive", "attribute"}},
    {"string",
     [](Context&, const Value& v, const Arguments&) -> Value { return v.to_string(); },
     {}},
    {"title",
     [](Context&, const Value& v, const Arguments&) -> Value { return title(v.to_string()); },
     {}},
    {"tojson", to_json, {"indent", "ensure_ascii"}},
    {"trim", trim, {"chars"}},
    {"unique", unique, {}},
    {"upper",
     [](Context&, const Value& v, const Arguments&) -> Value { return upper(v.to_string()); },
     {}},
};

const FilterEntry* find_filter(std::string_view name) {
  const auto* found = std::find_if(std::begin(kFilters), std::end(kFilters),
                                   [name](const FilterEntry& entry) { return entry.name == name; });
  return found == std::end(kFilters) ? nullptr : found;
}

}  // namespace

bool filter_is_known(std::string_view name) { return find_filter(name) != nullptr; }

Value apply_filter(Context& context, std::string_view name, const Value& input,
                   const Arguments& arguments) {
  const FilterEntry& filter = *find_filter(name);
  expect_arguments(arguments, filter.arguments.size(), filter.arguments);
  return filter.apply(context, input, arguments);
}

Value argument(const Arguments& arguments, size_t index, std::string_view name) {
  if (index < arguments.positional.size()) return arguments.positional[index];
  for (const auto& [given, value] : arguments.named) {
    if (given == name) return value;
  }
  return {};
}

void expect_arguments(const Arguments& arguments, size_t count,
                      std::initializer_list<std::string_view> names) {
  if (arguments.positional.size() > count) {
    throw std::domain_error(
        fmt::format("{} arguments, at most {} are taken", arguments.positional.size(), count));
  }
  for (const auto& entry : arguments.named) {
    if (std::find(names.begin(), names.end(), entry.first) == names.end()) {
      throw std::domain_error(fmt::format("the argument '{}' is not supported", entry.first));
    }
  }
}

}  // namespace fathom::text::jinja
