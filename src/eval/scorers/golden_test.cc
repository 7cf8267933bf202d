// Every line of tests/golden/eval, which holds what the published scorers returned.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "eval/score_line.h"

namespace fathom::eval {
namespace {

using Json = nlohmann::ordered_json;

// Floats to 1e-12 relative, as the golden files ask; all else exactly.
bool same(const Json& a, const Json& b) {
  if (a.is_number() && b.is_number()) {
    const double x = a.get<double>(), y = b.get<double>();
    return x == y || std::abs(x - y) <= 1e-12 * std::max(std::abs(x), std::abs(y));
  }
  if (a.type() != b.type() || a.size() != b.size()) return false;
  if (!a.is_structured()) return a == b;
  for (const auto& [key, value] : a.items()) {
    const Json& other = b.is_array() ? b[std::stoul(key)] : b.value(key, Json());
    if (!same(value, other)) return false;
  }
  return true;
}

struct File {
  const char* name;
  size_t lines;
};

class ScorerGoldenTest : public testing::TestWithParam<File> {};

TEST_P(ScorerGoldenTest, EveryLine) {
  std::ifstream file(std::string(FATHOM_SOURCE_DIR "/tests/golden/eval/") + GetParam().name);
  size_t count = 0;
  for (std::string text; std::getline(file, text);) {
    ++count;
    const Json line = Json::parse(text);
    const Json got = score_line(line);
    EXPECT_TRUE(same(got, line["expected"])) << text << "\n  got " << got;
    const Json details = score_line_details(line);
    for (const auto& [name, value] : details.items()) {
      EXPECT_TRUE(same(value, line[name])) << text << "\n  " << name << " is " << value;
    }
  }
  EXPECT_EQ(count, GetParam().lines);
}

INSTANTIATE_TEST_SUITE_P(Files, ScorerGoldenTest,
                         testing::Values(File{"mmlu.jsonl", 84}, File{"gpqa.jsonl", 64},
                                         File{"mmlu_pro.jsonl", 64}, File{"ceval.jsonl", 80},
                                         File{"drop.jsonl", 128}, File{"math.jsonl", 120},
                                         File{"aime.jsonl", 66}, File{"cnmo.jsonl", 66},
                                         File{"simpleqa.jsonl", 82}, File{"longbench_v2.jsonl", 70},
                                         File{"frames.jsonl", 58},
                                         File{"humaneval_pass_at_k.jsonl", 55},
                                         File{"cluewsc.jsonl", 60}, File{"perplexity.jsonl", 60}),
                         [](const auto& info) {
                           const std::string name = info.param.name;
                           return name.substr(0, name.find('.'));
                         });

TEST(ScoreLineTest, RefusesWhatItDoesNotKnow) {
  EXPECT_THROW(score_line({{"task", "tea_tasting"}, {"prediction", "A"}}), Error);
  EXPECT_THROW(score_line({{"task", "mmlu"}, {"reference", "A"}}), Error);
  EXPECT_THROW(score_line({{"task", "mmlu"}, {"prediction", 3}, {"reference", "A"}}), Error);
  EXPECT_THROW(score_line({{"task", "pass_at_k"}, {"n", {5}}, {"c", {1, 2}}, {"k", 1}}), Error);
}

}  // namespace
}  // namespace fathom::eval
