#include "engine/grammar/pattern.h"

#include <gtest/gtest.h>

#include <regex>

#include "base/error.h"
#include "base/rng.h"

namespace fathom::engine {
namespace {

bool matches(const Pattern& pattern, std::string_view text) {
  std::vector<bool> at(pattern.classes.size());
  at[0] = true;
  for (char c : text) {
    std::vector<bool> next(at.size());
    for (size_t p = 0; p < at.size(); ++p) {
      if (!at[p]) continue;
      for (int32_t q : pattern.followers[p]) {
        if (pattern.classes[q].contains(static_cast<uint8_t>(c))) next[q] = true;
      }
    }
    at = next;
  }
  for (size_t p = 0; p < at.size(); ++p) {
    if (at[p] && pattern.accepting[p]) return true;
  }
  return false;
}

/// Expressions over a, b, c and a few more, of every kind of syntax.
std::string random_regex(Rng& rng, int depth) {
  const auto atom = [&]() -> std::string {
    static const char* kAtoms[] = {"a",      "b",     "c",       ".",   "[ab]",
                                   "[^a]",   "[a-c]", "\\d",     "\\w", "\\.",
                                   "[\\d.]", "\\x61", "\\u0062", "\\S", "-"};
    if (depth > 0 && rng.below(3) == 0) {
      return (rng.below(2) ? "(" : "(?:") + random_regex(rng, depth - 1) + ")";
    }
    return kAtoms[rng.below(std::size(kAtoms))];
  };
  std::string text;
  for (uint64_t i = 0; i < 1 + rng.below(3); ++i) {
    text += atom();
    static const char* kCounts[] = {"*", "+", "?", "{2}", "{1,}", "{0,2}", "{2,3}", "*?"};
    if (rng.below(3) == 0) text += kCounts[rng.below(std::size(kCounts))];
  }
  if (depth > 0 && rng.below(3) == 0) text += "|" + random_regex(rng, depth - 1);
  return text;
}

TEST(Pattern, AgreesWithTheLibrarysExpressions) {
  Rng rng(1);
  int64_t matched = 0, compared = 0;
  for (int i = 0; i < 400; ++i) {
    std::string text = "(?:" + random_regex(rng, 2) + ")";
    if (rng.below(2)) text = "^" + text;
    if (rng.below(2)) text += "$";
    const Pattern pattern = compile_pattern(text, "test");
    const std::regex regex(text);
    for (int j = 0; j < 60; ++j) {
      std::string subject;
      for (uint64_t n = rng.below(7); n > 0; --n) subject += "aabc1.-"[rng.below(7)];
      const bool expected = std::regex_search(subject, regex);
      ASSERT_EQ(matches(pattern, subject), expected) << text << " on " << subject;
      matched += expected;
      ++compared;
    }
  }
  EXPECT_TRUE(matched > compared / 10 && matched < compared * 9 / 10) << matched;
}

ErrorKind refusal(const std::string& regex) {
  try {
    compile_pattern(regex, "schema: #/pattern");
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).rfind("schema: #/pattern: ", 0), 0u) << error.what();
    return error.kind();
  }
  ADD_FAILURE() << regex << " was not refused";
  return ErrorKind::kIo;
}

// Without the flag u, as annex B of ECMA 262 has it.
TEST(Pattern, TakesBracesAndDashesThatStandForThemselves) {
  const struct {
    const char* regex;
    std::vector<const char*> matching, others;
  } cases[] = {
      {"^[\\w-\\.]+@([\\w-]+\\.)+[\\w-]{2,4}$", {"a.b-c@d-e.org"}, {"a@b", "a+b@c.org"}},
      {"^[+-\\d]+$", {"+1-2"}, {"1,2"}},
      {"^[\\d-\\s]$", {"-", "1", " "}, {"a"}},
      {"^{.*}$", {"{}", "{ab}"}, {"ab"}},
      {"^\\d{,3}$", {"1{,3}"}, {"1", "123"}},
      {"^a{2$", {"a{2"}, {"aa"}},
      {"^{a}{2}$", {"{a}}"}, {"{a}", "{a}{a}"}},
  };
  for (const auto& [regex, matching, others] : cases) {
    const Pattern pattern = compile_pattern(regex, "test");
    for (const char* text : matching) EXPECT_TRUE(matches(pattern, text)) << regex << " " << text;
    for (const char* text : others) EXPECT_FALSE(matches(pattern, text)) << regex << " " << text;
  }
}

// Each range costs once, and as often as the class is written out.
TEST(Pattern, AClassOfManyRangesIsReadAtOnce) {
  std::string set = "[";
  for (uint32_t point = 0x4E00; point < 0x9E00; point += 2) {
    set += {static_cast<char>(0xE0 | point >> 12), static_cast<char>(0x80 | (point >> 6 & 0x3F)),
            static_cast<char>(0x80 | (point & 0x3F))};
  }
  set += "]";
  const Pattern pattern = compile_pattern("^" + set + "$", "test");
  EXPECT_TRUE(pattern.classes[1].contains(0x4E00));
  EXPECT_FALSE(pattern.classes[1].contains(0x4E01));
  EXPECT_EQ(refusal("^" + set + "{200}$"), ErrorKind::kUnsupported);
}

TEST(Pattern, RefusesWhatItDoesNotKnow) {
  for (const char* regex :
       {"(?=a)", "(?<!a)", "(?<name>a)", "\\1", "\\bword\\b", "\\p{L}", "a^b", "a$b", "(a$)",
        "\\cA", "a{5000}", "(((a{99}){99}){99}){99}", "((((){4000}){4000}){4000}){4000}",
        "(a?){1300}", "[]", "\\uD800", "\\x01"}) {
    EXPECT_EQ(refusal(regex), ErrorKind::kUnsupported) << regex;
  }
  for (const char* regex : {"(", ")", "[a", "*", "a**", "{2}", "a{3,2}", "[b-a]", "\\", "\\xg0"}) {
    EXPECT_EQ(refusal(regex), ErrorKind::kBadInput) << regex;
  }
}

}  // namespace
}  // namespace fathom::engine
