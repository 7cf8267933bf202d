// JSON object mode: what is JSON, byte by byte. Names as in the public JSONTestSuite: y_ must be
// taken, n_ must not, i_ is for the implementation to say.
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/rng.h"
#include "engine/testing/grammar_text.h"

namespace fathom::engine {
namespace {

using namespace std::string_literals;

class JsonGrammar : public testing::Test {
 protected:
  bool accepts_value(const std::string& text) const { return accepts(*any_, *vocabulary_, text); }
  std::shared_ptr<const Vocabulary> vocabulary_ = byte_vocabulary();
  Grammar::Ptr any_ = Grammar::json_schema("true", vocabulary_);
  Grammar::Ptr object_ = Grammar::json_object(vocabulary_);
};

TEST_F(JsonGrammar, TakesJson) {
  const std::string y[] = {"{}",
                           "[]",
                           "{\"a\":1}",
                           "{\"a\": 1, \"b\": [true, false, null]}",
                           "\"\"",
                           "0",
                           "-0",
                           "-1.5",
                           "1e5",
                           "1E+10",
                           "1.25e-7",
                           "[[[[]]]]",
                           "[1,2,3]",
                           "{\n  \"a\": [\n    1\n  ]\n}",
                           "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
                           "\"\\u00e9\\uD834\\uDD1E\"",
                           "\"\\ud83d\\ude00 \\uFFFF\"",
                           "\"é€😀\"",
                           "\"\x7F\"",
                           "{\"\":{\"\":\"\"}}",
                           "true",
                           "null",
                           "\"\\u0000\"",
                           "\"\xED\x9F\xBF\xEE\x80\x80\xF4\x8F\xBF\xBF\"",
                           "{\"a\":\"b\",\"a\":\"c\"}",
                           "123456789012345",
                           "1.00000000000001",
                           "[{}, {}]",
                           "{ \"a\": 1 }"};
  for (const std::string& text : y) EXPECT_TRUE(accepts_value(text)) << text;
}

TEST_F(JsonGrammar, RefusesWhatIsNone) {
  const std::string n[] = {"",
                           " ",
                           "{",
                           "[",
                           "{]",
                           "[1,]",
                           "{\"a\":1,}",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{a:1}",
                           "{'a':1}",
                           "[1 2]",
                           "[1,,2]",
                           "[,1]",
                           "\"",
                           "\"\\x\"",
                           "\"\\u12\"",
                           "\"\\u12g4\"",
                           "\"\n\"",
                           "\"\t\"",
                           "\"\x1F\"",
                           "\"\x80\"",
                           "\"\xC0\x80\"",
                           "\"\xC1\xBF\"",
                           "\"\xE0\x80\x80\"",
                           "\"\xED\xA0\x80\"",
                           "\"\xF0\x80\x80\x80\"",
                           "\"\xF4\x90\x80\x80\"",
                           "\"\xF5\x80\x80\x80\"",
                           "\"\xE2\x82\"",
                           "01",
                           "-",
                           "+1",
                           "1.",
                           ".5",
                           "1.e5",
                           "1e",
                           "1e+",
                           "0x1",
                           "NaN",
                           "Infinity",
                           "-Infinity",
                           "tru",
                           "True",
                           "nul",
                           "{}{}",
                           "[]]",
                           "[1}",
                           "{\"a\":1]",
                           "\"a\"b",
                           "--1",
                           "-a",
                           "1a",
                           "2.e-3",
                           "\"\0\""s,
                           "/**/1",
                           "\xEF\xBB\xBF{}",
                           "\f1"};
  for (const std::string& text : n) EXPECT_FALSE(accepts_value(text)) << text;
}

TEST_F(JsonGrammar, ChoosesWhereReadersDiffer) {
  const std::string i[] = {"\"\\uD800\"",
                           "\"\\uDC00\"",
                           "\"\\uD834\\u0041\"",
                           "1e400",
                           "1e-400",
                           "123456789012345678",
                           std::string(100, '[') + std::string(100, ']'),
                           "1 ",
                           "{} ",
                           " {}",
                           "{\"a\" :1}",
                           "{\n\n}",
                           "[" + std::string(200, ' ') + "]",
                           "\"\\uD834\\uD834\""};
  for (const std::string& text : i) EXPECT_FALSE(accepts_value(text)) << text;
  EXPECT_TRUE(accepts_value(std::string(64, '[') + std::string(64, ']')));
}

TEST_F(JsonGrammar, ObjectModeBeginsWithABraceAndEndsWithItsPartner) {
  EXPECT_TRUE(accepts(*object_, *vocabulary_, "{\"a\":[{}]}"));
  for (const char* text : {"[]", "1", "\"a\"", "null", " {}", "{}\n", "{\"a\":1}}"}) {
    EXPECT_FALSE(accepts(*object_, *vocabulary_, text)) << text;
  }
  Walker walker(*object_, *vocabulary_);
  EXPECT_FALSE(walker.may_end());
  ASSERT_TRUE(walker.take("{\"a\":1}"));
  for (int id = 0; id < 256; ++id) EXPECT_EQ(walker.allows(id), id == 1) << id;
  EXPECT_TRUE(walker.take(1));
  EXPECT_TRUE(walker.may_end());
}

// Masks of long tokens against the bytes one by one, wherever a random walk leads.
TEST(GrammarMask, AllowsATokenExactlyWhereItsBytesAreAllowed) {
  Rng rng(5);
  const std::string alphabet = "{}[]\",:\\u0dD8aé\n e.-1t";
  std::vector<std::string> more = {"true", "false", "null", "\":", "\":\"", "\"},{\"", "]]", "}}"};
  for (int i = 0; i < 3000; ++i) {
    std::string token;
    for (uint64_t n = 1 + rng.below(6); n > 0; --n) token += alphabet[rng.below(alphabet.size())];
    more.push_back(token);  // doubles among them
  }
  const auto vocabulary = byte_vocabulary(more);
  const auto grammar = Grammar::json_schema(
      R"({"properties":{"a":{"type":"integer","minimum":-20,"maximum":107},
          "t":{"type":"string","pattern":"^[a-z]*1?$"},"u":{"type":"string","maxLength":4},
          "d":{"type":"array","minItems":1,"maxItems":3}},"required":["t"]})",
      vocabulary);
  int64_t compared = 0;
  for (int round = 0; round < 25; ++round) {
    Walker walker(*grammar, *vocabulary);
    for (int i = 0; i < 40 && !walker.may_end(); ++i) {
      for (int32_t id = 256; id < vocabulary->size(); id += 7) {
        Walker bytes(walker);
        EXPECT_EQ(walker.allows(id), bytes.take(vocabulary->bytes(id))) << vocabulary->bytes(id);
        ++compared;
      }
      std::vector<int32_t> open;
      for (int32_t id = 2; id < vocabulary->size(); ++id) {
        if (walker.allows(id)) open.push_back(id);
      }
      ASSERT_FALSE(open.empty()) << "a dead end";
      ASSERT_TRUE(walker.take(open[rng.below(open.size())]));
    }
    ASSERT_FALSE(HasFailure());
  }
  EXPECT_GT(compared, 50'000);
}

TEST(GrammarMask, AVocabularyWithoutAByteIsRefused) {
  std::vector<std::string> tokens;
  for (int b = 0; b < 256; ++b) tokens.emplace_back(1, static_cast<char>(b));
  tokens['}'] = "}}";
  try {
    Vocabulary(tokens, {0});
    ADD_FAILURE() << "was not refused";
  } catch (const std::exception& error) {
    EXPECT_NE(std::string(error.what()).find("0x7D"), std::string::npos) << error.what();
  }
}

TEST(GrammarMask, ARangeAcrossSurrogatesLeavesThemOut) {
  const auto vocabulary = byte_vocabulary();
  const auto grammar =
      Grammar::json_schema(R"({"type":"string","pattern":"^[\\u0020-\\uFFFF]{2}$"})", vocabulary);
  Walker walker(*grammar, *vocabulary);
  ASSERT_TRUE(walker.take("\"\xED\x9F\xBF\xED"));  // U+D7FF, the last before them
  EXPECT_TRUE(walker.allows(0x9F));
  EXPECT_FALSE(walker.allows(0xA0));
}

TEST(GrammarMask, AVocabularyWithoutAnEndIsRefused) {
  std::vector<std::string> tokens;
  for (int b = 0; b < 256; ++b) tokens.emplace_back(1, static_cast<char>(b));
  EXPECT_THROW(Vocabulary(tokens, {}), Error);
}

// States are thrown away when there are many, whatever is under way: here in a pattern's middle.
TEST(GrammarMask, AFreshAutomatonGoesOnWithinAPattern) {
  const auto vocabulary = byte_vocabulary();
  const auto grammar = Grammar::json_schema(
      R"({"type":"array","items":{"type":"string","pattern":"^(a?b|ac*)+d$"},"minItems":2500})",
      vocabulary);
  Walker walker(*grammar, *vocabulary);
  ASSERT_TRUE(walker.take("[\"bd\""));
  for (int i = 1; i < 2500; ++i) {
    ASSERT_FALSE(walker.allows(']')) << i;
    ASSERT_TRUE(walker.take(",\"abaccbd\"")) << i;
  }
  EXPECT_TRUE(walker.take("]"));
}

TEST(GrammarMask, StatesOfALongAnswerDoNotPileUp) {
  const auto vocabulary = byte_vocabulary();
  const auto grammar = Grammar::json_schema(
      R"({"type":"array","items":{"type":"integer"},"minItems":20000})", vocabulary);
  Walker walker(*grammar, *vocabulary);
  ASSERT_TRUE(walker.take("[1"));
  for (int i = 1; i < 20'000; ++i) {
    ASSERT_FALSE(walker.allows(']')) << i;
    ASSERT_TRUE(walker.take(",1")) << i;
  }
  EXPECT_TRUE(walker.take("]"));
  EXPECT_TRUE(walker.may_end());
}

}  // namespace
}  // namespace fathom::engine
