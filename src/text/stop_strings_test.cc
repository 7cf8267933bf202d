#include "text/stop_strings.h"

#include <gtest/gtest.h>

#include <optional>

#include "base/rng.h"

namespace fathom::text {
namespace {

struct Result {
  std::string text;
  std::optional<std::string> stop;
  bool operator==(const Result&) const = default;
};

Result run(const std::vector<std::string>& strings, const std::string& text, size_t size) {
  StopStrings stops(strings);
  Result result;
  for (size_t i = 0; i < text.size() && !stops.stopped(); i += size)
    result.text += stops.push(text.substr(i, size));
  if (stops.stopped()) result.stop = stops.matched();
  result.text += stops.finish();
  return result;
}

// The definition: the first place where one ends, the longest of those that end there.
Result expected(const std::vector<std::string>& strings, const std::string& text) {
  for (size_t end = 1; end <= text.size(); ++end) {
    std::string longest;
    for (const std::string& s : strings) {
      if (s.size() > longest.size() && text.substr(0, end).ends_with(s)) longest = s;
    }
    if (!longest.empty()) return {text.substr(0, end - longest.size()), longest};
  }
  return {text, std::nullopt};
}

TEST(StopStrings, HoldsBackWhatMayBeOne) {
  StopStrings stops({"</end>", "\n\n"});
  EXPECT_EQ(stops.push("a\n"), "a");
  EXPECT_EQ(stops.push("b</e"), "\nb");
  EXPECT_EQ(stops.push("x</en"), "</ex");
  EXPECT_EQ(stops.push("d>more"), "");
  EXPECT_TRUE(stops.stopped());
  EXPECT_EQ(stops.matched(), "</end>");
  EXPECT_EQ(stops.push("more"), "");
  EXPECT_EQ(stops.finish(), "");
}

TEST(StopStrings, GivesBackAtTheEndWhatWasNoStop) {
  StopStrings stops({"stop"});
  EXPECT_EQ(stops.push("sto"), "");
  EXPECT_EQ(stops.finish(), "sto");
  EXPECT_FALSE(stops.stopped());
}

TEST(StopStrings, NoStringsPassEverything) {
  StopStrings stops({"", ""});
  EXPECT_EQ(stops.push("abc"), "abc");
  EXPECT_FALSE(stops.stopped());
}

TEST(StopStrings, EqualsTheDefinitionOnRandomTexts) {
  Rng rng(7);
  const auto word = [&rng](uint64_t longest) {
    std::string s(1 + rng.below(longest), 'a');
    for (char& c : s) c = static_cast<char>('a' + rng.below(2));
    return s;
  };
  for (int round = 0; round < 3000; ++round) {
    std::vector<std::string> strings;
    for (uint64_t i = 0; i <= rng.below(4); ++i) strings.push_back(word(8));
    const std::string text = word(30);
    for (const size_t size : {1, 2, 5, 100})
      EXPECT_EQ(run(strings, text, size), expected(strings, text)) << text;
  }
}

TEST(StopStrings, ThousandsOfStringsCostNoMore) {
  std::vector<std::string> strings;
  for (int i = 0; i < 20000; ++i) strings.push_back(std::string(50, 'a') + std::to_string(i));
  StopStrings stops(strings);
  std::string out;
  for (int i = 0; i < 100000; ++i) out += stops.push("aaa");
  out += stops.push("19999");
  EXPECT_TRUE(stops.stopped());
  EXPECT_EQ(out.size(), 300000u - 50u);
}

}  // namespace
}  // namespace fathom::text
