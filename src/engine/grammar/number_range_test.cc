#include "engine/grammar/number_range.h"

#include <gtest/gtest.h>

#include <charconv>
#include <cmath>

#include "base/error.h"
#include "base/rng.h"
#include "engine/testing/grammar_text.h"

namespace fathom::engine {
namespace {

TEST(NumberRange, IntegersAreExactlyThoseWithin) {
  const auto vocabulary = byte_vocabulary();
  Rng rng(2);
  for (int i = 0; i < 120; ++i) {
    const auto a = static_cast<int64_t>(rng.below(260)) - 130;
    const auto b = a + static_cast<int64_t>(rng.below(140));
    const bool low = rng.below(4) != 0, high = rng.below(4) != 0;
    const bool open_low = rng.below(3) == 0 && b > a + 1,
               open_high = rng.below(3) == 0 && b > a + 1;
    std::string schema = R"({"type":"integer")";
    if (low) {
      schema += std::string(",\"") + (open_low ? "exclusiveMinimum" : "minimum") +
                "\":" + std::to_string(a);
    }
    if (high) {
      schema += std::string(",\"") + (open_high ? "exclusiveMaximum" : "maximum") +
                "\":" + std::to_string(b);
    }
    schema += "}";
    const auto grammar = Grammar::json_schema(schema, vocabulary);
    for (int64_t n = -290; n <= 290; ++n) {
      const bool within =
          (!low || (open_low ? n > a : n >= a)) && (!high || (open_high ? n < b : n <= b));
      ASSERT_EQ(accepts(*grammar, *vocabulary, std::to_string(n)), within) << schema << " " << n;
    }
    EXPECT_FALSE(accepts(*grammar, *vocabulary, "1.0"));
  }
}

TEST(NumberRange, WhatIsBegunCanAlwaysBeEnded) {
  const char* const bounds[] = {"0",     "1",    "-1",   "0.1",      "0.30000000000000", "-2.5",
                                "17.25", "1000", "1e-7", "99999999", "123456.789",       "-1e10"};
  const auto vocabulary = byte_vocabulary();
  Rng rng(3);
  int made = 0;
  for (int i = 0; i < 400; ++i) {
    const char *low = bounds[rng.below(std::size(bounds))], *high = bounds[rng.below(12)];
    const bool has_low = rng.below(4) != 0, has_high = rng.below(4) != 0;
    if (has_low && has_high && std::atof(low) >= std::atof(high)) continue;
    const bool open = rng.below(2) != 0;
    std::string schema = R"({"type":"number")";
    if (has_low) schema += std::string(open ? ",\"exclusiveMinimum\":" : ",\"minimum\":") + low;
    if (has_high) schema += std::string(open ? ",\"exclusiveMaximum\":" : ",\"maximum\":") + high;
    const auto grammar = Grammar::json_schema(schema + "}", vocabulary);
    for (int round = 0; round < 5; ++round) {
      Walker walker(*grammar, *vocabulary);
      std::string text;
      while (!walker.may_end() || rng.below(3) != 0) {
        std::vector<char> open_bytes;
        for (char c : std::string("0123456789.-+eE")) {
          if (walker.allows(c)) open_bytes.push_back(c);
        }
        if (open_bytes.empty()) break;
        text += open_bytes[rng.below(open_bytes.size())];
        walker.take(text.substr(text.size() - 1));
      }
      ASSERT_TRUE(walker.may_end()) << schema << " " << text;
      const double x = std::atof(text.c_str());
      ASSERT_TRUE(!has_low || (open ? x > std::atof(low) : x >= std::atof(low))) << schema << text;
      ASSERT_TRUE(!has_high || (open ? x < std::atof(high) : x <= std::atof(high)))
          << schema << text;
      ++made;
    }
  }
  EXPECT_GT(made, 500);
}

TEST(NumberRange, ABoundItselfIsWithin) {
  const auto vocabulary = byte_vocabulary();
  const auto grammar =
      Grammar::json_schema(R"({"type":"number","minimum":0.1,"maximum":12.75})", vocabulary);
  for (const char* text : {"0.1", "12.75", "1", "12.7499", "0.1000000000001"}) {
    EXPECT_TRUE(accepts(*grammar, *vocabulary, text)) << text;
  }
  for (const char* text : {"0.09", "12.76", "13", "-1", "1e0", "0"}) {
    EXPECT_FALSE(accepts(*grammar, *vocabulary, text)) << text;
  }
}

TEST(NumberRange, RefusesAnEmptyOne) {
  using Bound = NumberRange::Bound;
  EXPECT_THROW(NumberRange(true, Bound{"1.2"}, Bound{"1.8"}, "x"), Error);
  EXPECT_THROW(NumberRange(false, Bound{"2"}, Bound{"1"}, "x"), Error);
  EXPECT_THROW(NumberRange(false, Bound{"1", true}, Bound{"1"}, "x"), Error);
  EXPECT_THROW(NumberRange(true, Bound{"1e20"}, {}, "x"), Error);
  const NumberRange all(true, Bound{"-9223372036854775808"}, Bound{"9223372036854775807"}, "x");
  EXPECT_TRUE(all.holds({.value = 999'999'999'999'999, .before = 15}));
}

}  // namespace
}  // namespace fathom::engine
