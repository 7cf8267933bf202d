#include "ledger/money.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string_view>

#include "base/error.h"
#include "ledger/api_key.h"
#include "ledger/prices.h"

namespace fathom::ledger {
namespace {

using namespace std::chrono_literals;

TEST(Money, ShowsTwoDecimalsRoundedDown) {
  EXPECT_EQ(format_two_decimals(110 * kUnit), "110.00");
  EXPECT_EQ(format_two_decimals(1'999'999'999), "1.99");
  EXPECT_EQ(format_two_decimals(9'999'999), "0.00");
  EXPECT_EQ(format_two_decimals(10'000'000), "0.01");
  EXPECT_EQ(format_two_decimals(-1), "-0.01");
  EXPECT_EQ(format_exact(1), "0.000000001");
  EXPECT_EQ(format_exact(INT64_MIN), "-9223372036.854775808");
}

TEST(Money, ReadsExactDecimals) {
  EXPECT_EQ(parse_amount("10"), 10 * kUnit);
  EXPECT_EQ(parse_amount("0.000000001"), 1);
  EXPECT_EQ(parse_amount("0.1"), kUnit / 10);
  for (const char* wrong :
       {"", ".", "1.", ".5", "-1", "+1", "1e3", "1.0000000001", "9999999999", "1,5", "0x1"}) {
    EXPECT_THROW(parse_amount(wrong), Error) << wrong;
  }
}

TEST(Money, NamesDays) {
  EXPECT_EQ(format_day(kPromotionEnd), "2025-02-08");
  EXPECT_EQ(format_time(kPromotionEnd), "2025-02-08T16:00:00Z");
}

// The price table, row by row, on both sides of the promotion's end.
TEST(Prices, CnyRegular) {
  EXPECT_EQ(prices_at(Currency::kCny, kPromotionEnd), (Prices{500, 2000, 8000}));
}
TEST(Prices, CnyUntilMidnightInBeijing) {
  EXPECT_EQ(prices_at(Currency::kCny, kPromotionEnd - 1us), (Prices{100, 1000, 2000}));
}
TEST(Prices, UsdRegular) {
  EXPECT_EQ(prices_at(Currency::kUsd, kPromotionEnd), (Prices{70, 270, 1100}));
}
TEST(Prices, UsdUntil1600Utc) {
  EXPECT_EQ(prices_at(Currency::kUsd, kPromotionEnd - 1us), (Prices{14, 140, 280}));
}
TEST(Prices, AMillionTokensCostWhatTheTableSays) {
  const Prices cny = prices_at(Currency::kCny, kPromotionEnd);
  EXPECT_EQ(format_exact(cny.cost({1'000'000, 0, 0})), "0.500000000");
  EXPECT_EQ(format_exact(cny.cost({0, 1'000'000, 0})), "2.000000000");
  EXPECT_EQ(format_exact(cny.cost({0, 0, 1'000'000})), "8.000000000");
  const Prices usd = prices_at(Currency::kUsd, kPromotionEnd);
  EXPECT_EQ(format_exact(usd.cost({1'000'000, 0, 0})), "0.070000000");
  EXPECT_EQ(format_exact(usd.cost({0, 1'000'000, 0})), "0.270000000");
  EXPECT_EQ(format_exact(usd.cost({0, 0, 1'000'000})), "1.100000000");
}

TEST(ApiKey, IsRandomAndHashed) {
  const std::string key = new_api_key();
  EXPECT_EQ(key.size(), 35u);
  EXPECT_TRUE(key.starts_with("sk-"));
  EXPECT_NE(key, new_api_key());
  EXPECT_EQ(hash_api_key("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(api_key_hint(key), "sk-..." + key.substr(31));
  EXPECT_TRUE(equal_in_constant_time("ab", "ab"));
  EXPECT_FALSE(equal_in_constant_time("ab", "ac"));
  EXPECT_FALSE(equal_in_constant_time("ab", "abc"));
}

// What the database's index compares are hashes. A guess one character away from a key is as far
// from the stored hash as any other, so how long the comparison takes says nothing about a key.
TEST(ApiKey, AGuessNearTheKeyIsNotNearItsHash) {
  const std::string key = new_api_key();
  const std::string hash = hash_api_key(key);
  for (size_t at = 3; at < key.size(); ++at) {
    for (const char digit : std::string_view("0123456789abcdef")) {
      std::string guess = key;
      guess[at] = digit;
      if (guess == key) continue;
      const std::string other = hash_api_key(guess);
      const auto differs = std::mismatch(hash.begin(), hash.end(), other.begin()).first;
      EXPECT_LT(differs - hash.begin(), 16) << guess;
    }
  }
}

TEST(Uuid, IsVersionFour) {
  const std::string uuid = new_uuid();
  ASSERT_EQ(uuid.size(), 36u);
  EXPECT_EQ(uuid[14], '4');
  EXPECT_EQ(uuid[8], '-');
  EXPECT_NE(uuid, new_uuid());
}

}  // namespace
}  // namespace fathom::ledger
