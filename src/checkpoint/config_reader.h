// Typed, bounded access to the keys of one JSON object of config.json.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace fathom {

/// Each reader takes a key's value, or `absent` where the key is missing, and throws
/// Error(kBadInput) "ORIGIN: KEY is FOUND, expected ..." for another type or a value out of range.
class ConfigReader {
 public:
  /// Both must outlive the reader. `prefix` ("rope_scaling.") goes before keys in messages.
  ConfigReader(const nlohmann::ordered_json& object, const std::string& origin,
               std::string prefix = "");

  /// Null: neither absent nor null.
  const nlohmann::ordered_json* present(std::string_view key) const;

  int64_t integer(std::string_view key, int64_t absent, int64_t low, int64_t high) const;
  /// As integer(), null standing for nothing.
  std::optional<int64_t> optional_integer(std::string_view key, int64_t low, int64_t high) const;
  /// In [low, high], or (low, high] with `above_low`.
  double real(std::string_view key, double absent, double low, double high,
              bool above_low = false) const;
  bool boolean(std::string_view key, bool absent) const;
  std::string text(std::string_view key, const std::string& absent) const;

  [[noreturn]] void wrong(std::string_view key, std::string_view expected) const;
  /// kUnsupported: "ORIGIN: KEY is FOUND, which is not supported (EXPECTED)".
  [[noreturn]] void unsupported(std::string_view key, std::string_view expected) const;

 private:
  std::string found(std::string_view key) const;

  const nlohmann::ordered_json& object_;
  const std::string& origin_;
  std::string prefix_;
};

}  // namespace fathom
