// Tests, functions and methods.
#include "text/jinja/builtins.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <iterator>
#include <stdexcept>

#include "base/error.h"
#include "text/jinja/operators.h"
#include "text/jinja/strings.h"

namespace fathom::text::jinja {
namespace {

// --- Tests

using Test = bool (*)(const Value&, const Value&);

struct TestEntry {
  std::string_view name;
  Test passes;
  size_t arguments;
};

int64_t whole(const Value& v) {
  if (!v.as_int())
    throw std::domain_error(fmt::format("expected an integer, not {}", v.type_name()));
  return *v.as_int();
}

bool divides(const Value& v, const Value& by) {
  if (whole(by) == 0) throw std::domain_error("division by zero");
  return whole(by) == -1 || whole(v) % whole(by) == 0;
}

bool equals(const Value& v, const Value& other) { return v == other; }
bool differs(const Value& v, const Value& other) { return !(v == other); }
bool less(const Value& v, const Value& other) { return compare("<", v, other); }
bool less_or_equal(const Value& v, const Value& other) { return compare("<=", v, other); }
bool greater(const Value& v, const Value& other) { return compare(">", v, other); }
bool greater_or_equal(const Value& v, const Value& other) { return compare(">=", v, other); }

const TestEntry kTests[] = {
    {"!=", differs, 1},
    {"<", less, 1},
    {"<=", less_or_equal, 1},
    {"==", equals, 1},
    {">", greater, 1},
    {">=", greater_or_equal, 1},
    {"boolean", [](const Value& v, const Value&) { return v.as_bool() != nullptr; }, 0},
    {"callable", [](const Value& v, const Value&) { return v.as_function() != nullptr; }, 0},
    {"defined", [](const Value& v, const Value&) { return !v.is_undefined(); }, 0},
    {"divisibleby", divides, 1},
    {"eq", equals, 1},
    {"equalto", equals, 1},
    {"even", [](const Value& v, const Value&) { return whole(v) % 2 == 0; }, 0},
    {"false", [](const Value& v, const Value&) { return v.as_bool() && !*v.as_bool(); }, 0},
    {"float", [](const Value& v, const Value&) { return v.as_float() != nullptr; }, 0},
    {"ge", greater_or_equal, 1},
    {"greaterthan", greater, 1},
    {"gt", greater, 1},
    {"in", [](const Value& v, const Value& container) { return contains(container, v); }, 1},
    {"integer", [](const Value& v, const Value&) { return v.as_int() != nullptr; }, 0},
    {"iterable",
     [](const Value& v, const Value&) {
       return v.as_string() || v.as_list() || v.as_dict() || v.is_undefined();
     },
     0},
    {"le", less_or_equal, 1},
    {"lessthan", less, 1},
    {"lt", less, 1},
    {"mapping", [](const Value& v, const Value&) { return v.as_dict() != nullptr; }, 0},
    {"ne", differs, 1},
    {"none", [](const Value& v, const Value&) { return v.is_none(); }, 0},
    {"number", [](const Value& v, const Value&) { return v.is_number(); }, 0},
    {"odd", [](const Value& v, const Value&) { return whole(v) % 2 != 0; }, 0},
    {"sequence",
     [](const Value& v, const Value&) {
       return v.as_string() || v.as_list() || v.as_dict() || v.is_undefined();
     },
     0},
    {"string", [](const Value& v, const Value&) { return v.as_string() != nullptr; }, 0},
    {"true", [](const Value& v, const Value&) { return v.as_bool() && *v.as_bool(); }, 0},
    {"undefined", [](const Value& v, const Value&) { return v.is_undefined(); }, 0},
};

const TestEntry* find_test(std::string_view name) {
  const auto* found = std::find_if(std::begin(kTests), std::end(kTests),
                                   [name](const TestEntry& entry) { return entry.name == name; });
  return found == std::end(kTests) ? nullptr : found;
}

// --- Functions

Dict named_fields(const Arguments& arguments, std::string_view function) {
  Dict fields;
  for (const Value& from : arguments.positional) {
    if (!from.as_dict())
      throw std::domain_error(fmt::format("{} takes mappings or name=value", function));
    for (const auto& [key, value] : from.as_dict()->entries()) fields.set(key, value);
  }
  for (const auto& [name, value] : arguments.named) fields.set(name, value);
  return fields;
}

Value make_namespace(Context& context, const Arguments& arguments) {
  return context.make_namespace(named_fields(arguments, "namespace"));
}

Value make_dict(Context&, const Arguments& arguments) { return named_fields(arguments, "dict"); }

Value range(Context&, const Arguments& arguments) {
  expect_arguments(arguments, 3, {});
  if (arguments.positional.empty()) throw std::domain_error("range takes 1 to 3 integers");
  const bool only_stop = arguments.positional.size() == 1;
  const int64_t start = only_stop ? 0 : whole(arguments.positional[0]);
  const int64_t stop = whole(arguments.positional[only_stop ? 0 : 1]);
  const int64_t step = arguments.positional.size() == 3 ? whole(arguments.positional[2]) : 1;
  if (step == 0) throw std::domain_error("the step of range is 0");
  constexpr size_t kMaxRange = 100'000;  // the limit of Jinja2's sandbox
  List numbers;
  for (int64_t i = start; step > 0 ? i < stop : i > stop;) {
    if (numbers.size() >= kMaxRange) throw std::domain_error("a range of more than 100000 numbers");
    numbers.push_back(i);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return numbers;
}

Value raise_exception(Context&, const Arguments& arguments) {
  fail(ErrorKind::kBadInput, "chat template: {}", argument(arguments, 0, "message").to_string());
}

Value strftime_now(Context&, const Arguments& arguments) {
  expect_arguments(arguments, 1, {"format"});
  const Value format = argument(arguments, 0, "format");
  if (!format.as_string()) throw std::domain_error("strftime_now takes a format");
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm local{};
  localtime_r(&now, &local);
  char buffer[512];
  const size_t size = std::strftime(buffer, sizeof buffer, format.as_string()->c_str(), &local);
  return std::string(buffer, size);
}

struct FunctionEntry {
  std::string_view name;
  Value (*call)(Context&, const Arguments&);
};

const FunctionEntry kFunctions[] = {
    {"dict", make_dict}, {"namespace", make_namespace},  {"raise_exception", raise_exception},
    {"range", range},    {"strftime_now", strftime_now},
};

// --- Methods

std::string text_argument(const Arguments& arguments, size_t index, std::string_view method) {
  if (index >= arguments.positional.size() || !arguments.positional[index].as_string()) {
    throw std::domain_error(fmt::format("{} takes a string", method));
  }
  return *arguments.positional[index].as_string();
}

int64_t limit_argument(const Arguments& arguments, size_t index, std::string_view name) {
  const Value limit = argument(arguments, index, name);
  return limit.is_undefined() ? -1 : whole(limit);
}

Value strip_method(const std::string& s, const Arguments& arguments, bool left, bool right) {
  const Value characters = argument(arguments, 0, "");
  if (characters.is_undefined() || characters.is_none()) return strip(s, left, right);
  return strip(s, left, right, text_argument(arguments, 0, "strip"));
}

List values_of(const std::vector<std::string_view>& parts) {
  return List(parts.begin(), parts.end());
}

Value split_method(const std::string& s, const Arguments& arguments) {
  const Value separator = argument(arguments, 0, "sep");
  const int64_t limit = limit_argument(arguments, 1, "maxsplit");
  if (separator.is_undefined() || separator.is_none()) return values_of(split_words(s, limit));
  if (!separator.as_string() || separator.as_string()->empty()) {
    throw std::domain_error("split takes a separator that is not empty");
  }
  return values_of(split_at(s, *separator.as_string(), limit));
}

// startswith and endswith also take a list of candidates.
bool has_affix(const std::string& s, const Arguments& arguments, bool at_start) {
  const Value wanted = argument(arguments, 0, "");
  const List candidates = wanted.as_list() ? *wanted.as_list() : List{wanted};
  return std::any_of(candidates.begin(), candidates.end(), [&](const Value& affix) {
    if (!affix.as_string()) throw std::domain_error("startswith and endswith take a string");
    return at_start ? s.starts_with(*affix.as_string()) : s.ends_with(*affix.as_string());
  });
}

Value join_method(const std::string& separator, const Arguments& arguments) {
  std::string out;
  bool first = true;
  for (const Value& item : items_of(argument(arguments, 0, ""))) {
    if (!item.as_string()) throw std::domain_error("join takes strings");
    if (!first) out += separator;
    first = false;
    out += *item.as_string();
    if (out.size() > kMaxText) throw std::domain_error("a text of more than 64 MB");
  }
  return out;
}

Value replace_method(const std::string& s, const Arguments& arguments) {
  const std::string from = text_argument(arguments, 0, "replace");
  const std::string to = text_argument(arguments, 1, "replace");
  if (to.size() > from.size() && (s.size() + 1) * (to.size() + 1) > kMaxText) {
    throw std::domain_error("replace could make a text of more than 64 MB");
  }
  return replace_all(s, from, to, limit_argument(arguments, 2, "count"));
}

int64_t count_of(std::string_view s, std::string_view part) {
  if (part.empty()) return static_cast<int64_t>(characters_of(s).size()) + 1;
  return static_cast<int64_t>(split_at(s, part, -1).size()) - 1;
}

int64_t find_of(std::string_view s, std::string_view part, bool last) {
  const size_t at = last ? s.rfind(part) : s.find(part);
  return at == std::string_view::npos ? -1
                                      : static_cast<int64_t>(characters_of(s.substr(0, at)).size());
}

bool all_digits(std::string_view s) {
  return !s.empty() && std::all_of(s.begin(), s.end(), [](char c) { return c >= '0' && c <= '9'; });
}

Value string_method(const std::string& s, std::string_view name, const Arguments& a) {
  if (name == "strip") return strip_method(s, a, true, true);
  if (name == "lstrip") return strip_method(s, a, true, false);
  if (name == "rstrip") return strip_method(s, a, false, true);
  if (name == "split") return split_method(s, a);
  if (name == "splitlines") return values_of(split_lines(s));
  if (name == "startswith") return has_affix(s, a, true);
  if (name == "endswith") return has_affix(s, a, false);
  if (name == "join") return join_method(s, a);
  if (name == "replace") return replace_method(s, a);
  if (name == "upper") return upper(s);
  if (name == "lower") return lower(s);
  if (name == "capitalize") return capitalize(s);
  if (name == "title") return title(s);
  if (name == "count") return count_of(s, text_argument(a, 0, name));
  if (name == "find") return find_of(s, text_argument(a, 0, name), false);
  if (name == "rfind") return find_of(s, text_argument(a, 0, name), true);
  if (name == "isdigit" && std::all_of(s.begin(), s.end(), [](char c) { return c >= 0; }))
    return all_digits(s);
  throw std::invalid_argument("");
}

Value dict_method(const Dict& dict, std::string_view name, const Arguments& arguments) {
  if (name == "get") {
    const Value key = argument(arguments, 0, "key");
    const Value* found = key.as_string() ? dict.find(*key.as_string()) : nullptr;
    if (found) return *found;
    const Value otherwise = argument(arguments, 1, "default");
    return otherwise.is_undefined() ? Value(None{}) : otherwise;
  }
  List out;
  for (const auto& [key, value] : dict.entries()) {
    if (name == "keys") {
      out.push_back(key);
    } else if (name == "values") {
      out.push_back(value);
    } else if (name == "items") {
      out.push_back(List{key, value});
    } else {
      throw std::invalid_argument("");
    }
  }
  if (name != "keys" && name != "values" && name != "items") throw std::invalid_argument("");
  return out;
}

Value list_method(const List& list, std::string_view name, const Arguments& arguments) {
  const Value wanted = argument(arguments, 0, "");
  if (name == "count") return static_cast<int64_t>(std::count(list.begin(), list.end(), wanted));
  if (name == "index") {
    const auto found = std::find(list.begin(), list.end(), wanted);
    if (found == list.end()) throw std::domain_error("the list has no such item");
    return static_cast<int64_t>(found - list.begin());
  }
  throw std::invalid_argument("");
}

}  // namespace

bool test_is_known(std::string_view name) { return find_test(name) != nullptr; }

bool apply_test(std::string_view name, const Value& input, const Arguments& arguments) {
  const TestEntry& test = *find_test(name);
  if (arguments.positional.size() != test.arguments || !arguments.named.empty()) {
    throw std::domain_error(fmt::format("the test '{}' takes {} arguments", name, test.arguments));
  }
  return test.passes(input, argument(arguments, 0, ""));
}

bool function_is_known(std::string_view name) {
  return std::any_of(std::begin(kFunctions), std::end(kFunctions),
                     [name](const FunctionEntry& entry) { return entry.name == name; });
}

Value call_function(Context& context, std::string_view name, const Arguments& arguments) {
  const auto* found =
      std::find_if(std::begin(kFunctions), std::end(kFunctions),
                   [name](const FunctionEntry& entry) { return entry.name == name; });
  return found->call(context, arguments);
}

Value call_method(const Value& object, std::string_view name, const Arguments& arguments) {
  if (const auto* text = object.as_string()) return string_method(*text, name, arguments);
  if (const auto* dict = object.as_dict()) return dict_method(*dict, name, arguments);
  if (const auto* list = object.as_list()) return list_method(*list, name, arguments);
  throw std::invalid_argument("");
}

}  // namespace fathom::text::jinja
