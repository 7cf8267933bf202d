#include "checkpoint/strict_json.h"

#include <fmt/format.h>

#include <set>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace fathom {
namespace {

constexpr size_t kMaxPrinted = 160;

/// Bytes of the well-formed UTF-8 character at the start of `text`, 0 where there is none.
size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  const size_t length = lead < 0x80   ? 1
                        : lead < 0xC2 ? 0
                        : lead < 0xE0 ? 2
                        : lead < 0xF0 ? 3
                        : lead < 0xF5 ? 4
                                      : 0;
  if (length == 0 || length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  if (lead == 0xE0 && byte(1) < 0xA0) return 0;
  if (lead == 0xED && byte(1) >= 0xA0) return 0;
  if (lead == 0xF0 && byte(1) < 0x90) return 0;
  if (lead == 0xF4 && byte(1) >= 0x90) return 0;
  return length;
}

std::string escape(std::string_view text, size_t max_bytes) {
  std::string out;
  while (!text.empty()) {
    if (out.size() >= max_bytes) return out + "...";
    const size_t length = utf8_length(text);
    const unsigned char lead = static_cast<unsigned char>(text[0]);
    if (length == 0 || lead < 0x20 || lead == 0x7F) {
      out += fmt::format("\\x{:02x}", lead);
      text.remove_prefix(1);
    } else {
      out += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
  return out;
}

/// Refuses double keys and deep nesting while the parser walks.
class Guard {
 public:
  Guard(const std::string& origin, int max_depth) : origin_(origin), max_depth_(max_depth) {}

  bool operator()(int depth, nlohmann::ordered_json::parse_event_t event,
                  nlohmann::ordered_json& value) {
    using Event = nlohmann::ordered_json::parse_event_t;
    if (event == Event::object_start || event == Event::array_start) {
      if (depth >= max_depth_) {
        fail(ErrorKind::kBadInput, "{}: nested deeper than {} levels", origin_, max_depth_);
      }
    }
    if (event == Event::object_start) keys_.emplace_back();
    if (event == Event::object_end) keys_.pop_back();
    if (event == Event::key) {
      const auto& key = value.get_ref<const std::string&>();
      if (!keys_.back().insert(key).second) {
        fail(ErrorKind::kBadInput, "{}: the key {} stands twice", origin_, printable(key));
      }
    }
    return true;
  }

 private:
  const std::string& origin_;
  int max_depth_;
  std::vector<std::set<std::string>> keys_;
};

}  // namespace

std::string printable(std::string_view text) { return '"' + escape(text, kMaxPrinted) + '"'; }

std::string json_complaint(const char* what) {
  std::string_view text = what;
  const size_t prefix = text.find("] ");
  if (text.starts_with("[json.") && prefix != std::string_view::npos)
    text.remove_prefix(prefix + 2);
  return escape(text, 2 * kMaxPrinted);
}

nlohmann::ordered_json parse_strict_json(std::string_view text, const std::string& origin,
                                         int max_depth) {
  Guard guard(origin, max_depth);
  try {
    return nlohmann::ordered_json::parse(text.begin(), text.end(), std::ref(guard));
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorKind::kBadInput, "{}: not valid JSON: {}", origin, json_complaint(error.what()));
  }
}

}  // namespace fathom
