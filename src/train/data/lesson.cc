#include "train/data/lesson.h"

namespace fathom::train {

const char* check_name(Check check) {
  switch (check) {
    case Check::kExact:
      return "exact";
    case Check::kContains:
      return "contains";
    case Check::kNumber:
      return "number";
    case Check::kJson:
      return "json";
    case Check::kToolCall:
      return "tool_call";
  }
  return "";
}

bool held_out(std::string_view key) {
  uint64_t hash = 0xCBF29CE484222325ull;  // FNV-1a
  for (const char c : key) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001B3ull;
  return splitmix64(hash) % 10 == 0;
}

Json user_says(std::string_view text) {
  return Json::array({{{"role", "user"}, {"content", text}}});
}

}  // namespace fathom::train
