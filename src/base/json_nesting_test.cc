#include "base/json_nesting.h"

#include <gtest/gtest.h>

#include <string>

namespace fathom {
namespace {

void expect(std::string_view text, size_t depth, size_t keys) {
  const JsonNesting nesting = json_nesting(text);
  EXPECT_EQ(nesting.depth, depth) << text;
  EXPECT_EQ(nesting.keys, keys) << text;
}

TEST(JsonNesting, CountsWhatLiesWithin) {
  expect("", 0, 0);
  expect("1", 0, 0);
  expect("[]", 1, 0);
  expect(R"({"a": [1, {"b": 2, "c": 3}], "d": {}, "e": {"f": []}})", 3, 3);
  expect(R"([[], [[]], []])", 3, 0);
}

TEST(JsonNesting, LeavesStringsAlone) {
  expect(R"({"{[:\"{[:": "]}\\", "a:b": ":"})", 1, 2);
  expect(R"(["\\", [1]])", 2, 0);
}

TEST(JsonNesting, OfWhatIsNotJson) {
  expect("]]}", 0, 0);
  expect(R"({"a":1]]]{"b":2)", 1, 1);
  expect(R"(["abc)", 1, 0);
  expect("[\"abc\\", 1, 0);
  expect(std::string(1000, '['), 1000, 0);
}

}  // namespace
}  // namespace fathom
