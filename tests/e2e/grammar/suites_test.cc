// The public suites: JSONTestSuite (https://github.com/nst/JSONTestSuite) and the JSON Schema Test
// Suite (https://github.com/json-schema-org/JSON-Schema-Test-Suite).
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "engine/testing/grammar_text.h"
#include "fetched.h"

namespace fathom::engine {
namespace {

using Json = nlohmann::ordered_json;

Json read(const std::string& path) {
  std::ifstream file(path);
  return Json::parse(file);
}

std::string suites() {
  static const std::string dir = fetched("FATHOM_JSON_SUITES", "fetch_json_suites.sh");
  return dir;
}

// What must be refused is refused as it stands. What must be taken is taken once it is written the
// way that grammars write: with the suite's blanks left out, and but for numbers that are too long.
TEST(JsonTestSuite, ParsingCases) {
  const auto vocabulary = byte_vocabulary();
  const auto grammar = Grammar::json_schema("true", vocabulary);
  int refused = 0, taken = 0, as_written = 0, long_numbers = 0;
  for (const Json& one : read(suites() + "/parsing.json")) {
    const auto name = one.at("name").get<std::string>();
    const auto text = one.at("input").get<std::string>();
    if (name[0] == 'n') {
      EXPECT_FALSE(accepts(*grammar, *vocabulary, text)) << name;
      ++refused;
    } else if (name[0] == 'y') {
      as_written += accepts(*grammar, *vocabulary, text);
      const bool is_long = name.find("double_close_to_zero") != std::string::npos ||
                           name.find("real_exponent") != std::string::npos;
      const std::string compact = Json::parse(text).dump();
      long_numbers += is_long;
      if (is_long) continue;
      EXPECT_TRUE(accepts(*grammar, *vocabulary, compact)) << name << " " << compact;
      ++taken;
    }
  }
  std::printf("%d refused, %d taken (%d as written), %d with too long numbers\n", refused, taken,
              as_written, long_numbers);
  EXPECT_GE(refused, 150);
  EXPECT_GE(taken, 85);
}

bool same_order(const Json& schema, const Json& value) {
  if (!schema.is_object() || !schema.contains("properties") || !value.is_object()) return true;
  std::vector<std::string> wanted, found;
  for (const auto& [name, property] : schema["properties"].items()) {
    if (value.contains(name)) wanted.push_back(name);
  }
  for (const auto& [name, property] : value.items()) {
    if (found.size() < wanted.size()) found.push_back(name);
  }
  return wanted == found;
}

// Schemas that are refused by name aside: an invalid instance is never made. A valid one can be,
// unless its types are not those that the schema speaks of or its properties come in another order.
TEST(JsonSchemaTestSuite, InvalidInstancesAreNeverMade) {
  const auto vocabulary = byte_vocabulary();
  int invalid = 0, valid = 0, unmade = 0, refused = 0;
  for (const auto& file : std::filesystem::directory_iterator(suites() + "/schema")) {
    for (const Json& group : read(file.path())) {
      const Json& schema = group.at("schema");
      Grammar::Ptr grammar;
      try {
        grammar = Grammar::json_schema(schema.dump(), vocabulary);
      } catch (const Error&) {
        ++refused;
        continue;
      }
      for (const Json& one : group.at("tests")) {
        const bool made = accepts(*grammar, *vocabulary, one.at("data").dump());
        const std::string what = group.at("description").get<std::string>() + ": " +
                                 one.at("description").get<std::string>();
        if (!one.at("valid").get<bool>()) {
          EXPECT_FALSE(made) << what;
          ++invalid;
          continue;
        }
        ++(made ? valid : unmade);
        const bool typed = schema.contains("type") || schema.contains("enum");
        EXPECT_TRUE(made || !typed || !same_order(schema, one.at("data"))) << what;
      }
    }
  }
  std::printf("%d invalid refused, %d valid made, %d valid not made, %d schemas refused\n", invalid,
              valid, unmade, refused);
  EXPECT_GE(invalid, 70);
  EXPECT_GE(valid, 40);
}

}  // namespace
}  // namespace fathom::engine
