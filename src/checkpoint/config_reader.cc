#include "checkpoint/config_reader.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "checkpoint/strict_json.h"

namespace fathom {

using Json = nlohmann::ordered_json;

ConfigReader::ConfigReader(const Json& object, const std::string& origin, std::string prefix)
    : object_(object), origin_(origin), prefix_(std::move(prefix)) {}

const Json* ConfigReader::present(std::string_view key) const {
  const auto found = object_.find(std::string(key));
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

int64_t ConfigReader::integer(std::string_view key, int64_t absent, int64_t low,
                              int64_t high) const {
  const auto found = object_.find(std::string(key));
  if (found == object_.end()) return absent;
  // 1.5e9 or 4.0 is no count; a number past int64 arrives as a double too.
  const bool fits = found->is_number_unsigned() ? found->get<uint64_t>() <= INT64_MAX
                                                : found->is_number_integer();
  if (!fits || found->get<int64_t>() < low || found->get<int64_t>() > high) {
    wrong(key, fmt::format("an integer from {} to {}", low, high));
  }
  return found->get<int64_t>();
}

std::optional<int64_t> ConfigReader::optional_integer(std::string_view key, int64_t low,
                                                      int64_t high) const {
  if (!present(key)) return std::nullopt;
  return integer(key, low, low, high);
}

double ConfigReader::real(std::string_view key, double absent, double low, double high,
                          bool above_low) const {
  const auto found = object_.find(std::string(key));
  if (found == object_.end()) return absent;
  const double value = found->is_number() ? found->get<double>() : std::nan("");
  if (!(value >= low && value <= high) || (above_low && value == low)) {
    wrong(key,
          fmt::format("a number {} {} and at most {}", above_low ? "above" : "from", low, high));
  }
  return value;
}

bool ConfigReader::boolean(std::string_view key, bool absent) const {
  const auto found = object_.find(std::string(key));
  if (found == object_.end()) return absent;
  if (!found->is_boolean()) wrong(key, "true or false");
  return found->get<bool>();
}

std::string ConfigReader::text(std::string_view key, const std::string& absent) const {
  const auto found = object_.find(std::string(key));
  if (found == object_.end()) return absent;
  if (!found->is_string()) wrong(key, "a string");
  return found->get<std::string>();
}

std::string ConfigReader::found(std::string_view key) const {
  const auto value = object_.find(std::string(key));
  if (value == object_.end()) return "absent";
  if (value->is_string()) return printable(value->get_ref<const std::string&>());
  const std::string text = printable(value->dump());
  return text.substr(1, text.size() - 2);
}

void ConfigReader::wrong(std::string_view key, std::string_view expected) const {
  fail(ErrorKind::kBadInput, "{}: {}{} is {}, expected {}", origin_, prefix_, key, found(key),
       expected);
}

void ConfigReader::unsupported(std::string_view key, std::string_view expected) const {
  fail(ErrorKind::kUnsupported, "{}: {}{} is {}, which is not supported ({})", origin_, prefix_,
       key, found(key), expected);
}

}  // namespace fathom
