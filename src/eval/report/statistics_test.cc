#include "eval/report/statistics.h"

#include <gtest/gtest.h>

#include "eval/report/results.h"

namespace fathom::eval {
namespace {

TEST(StatisticsTest, WilsonAgreesWithItsFormula) {
  // Values by hand from Wilson's formula with z = 1.96.
  const Interval half = wilson_interval(5, 10);
  EXPECT_NEAR(half.low, 0.2366, 1e-4);
  EXPECT_NEAR(half.high, 0.7634, 1e-4);
  const Interval none = wilson_interval(0, 10);
  EXPECT_EQ(none.low, 0);
  EXPECT_NEAR(none.high, 0.2775, 1e-4);
  EXPECT_EQ(wilson_interval(0, 0).high, 1);
}

TEST(StatisticsTest, BootstrapHoldsTheMean) {
  std::vector<double> values;
  for (int i = 0; i < 400; ++i) values.push_back(i % 4 / 3.0);
  const Interval interval = bootstrap_interval(values, 1);
  EXPECT_LT(interval.low, 0.5);
  EXPECT_GT(interval.high, 0.5);
  // The normal approximation: 1.96 * 0.3727 / sqrt(400) to each side.
  EXPECT_NEAR(interval.high - interval.low, 2 * 1.96 * 0.3727 / 20, 0.01);
}

TEST(StatisticsTest, McNemarIsTheBinomialTail) {
  EXPECT_DOUBLE_EQ(mcnemar_exact(0, 0), 1);
  EXPECT_NEAR(mcnemar_exact(0, 5), 2 * 0.03125, 1e-12);
  EXPECT_NEAR(mcnemar_exact(1, 9), 2 * 11 / 1024.0, 1e-12);
  EXPECT_DOUBLE_EQ(mcnemar_exact(4, 4), 1);
}

Json document(const char* model, const std::vector<double>& scores) {
  Json items = Json::array();
  for (size_t i = 0; i < scores.size(); ++i) {
    items.push_back({{"id", std::to_string(i)},
                     {"sample", 0},
                     {"score", scores[i] < 0 ? Json() : Json(scores[i])}});
  }
  return {{"task", "t"}, {"title", "T"}, {"model", model}, {"items", items}};
}

TEST(CompareTest, PairsItemsThatBothAnswered) {
  std::vector<double> a(20, 1), b(20, 1);
  for (int i = 0; i < 8; ++i) b[static_cast<size_t>(i)] = 0;
  a[19] = -1;  // failed: out of the comparison
  const Json result = compare_results(document("a", a), document("b", b));
  EXPECT_EQ(result["items"], 19);
  EXPECT_EQ(result["a_better"], 8);
  EXPECT_EQ(result["b_better"], 0);
  EXPECT_EQ(result["test"], "McNemar, exact");
  EXPECT_NEAR(result["p_value"].get<double>(), 2.0 / 256, 1e-12);
  EXPECT_TRUE(result["significant"].get<bool>());
  EXPECT_NEAR(result["difference"].get<double>(), -8.0 / 19, 1e-12);
}

TEST(CompareTest, GradedScoresAreTestedBySignFlips) {
  std::vector<double> a, b;
  for (int i = 0; i < 30; ++i) {
    a.push_back(0.3 + 0.01 * i);
    b.push_back(a.back() + 0.1);
  }
  const Json result = compare_results(document("a", a), document("b", b));
  EXPECT_EQ(result["test"], "paired sign flips");
  EXPECT_LT(result["p_value"].get<double>(), 0.001);
  const Json same = compare_results(document("a", a), document("b", a));
  EXPECT_DOUBLE_EQ(same["p_value"].get<double>(), 1);
  EXPECT_FALSE(same["significant"].get<bool>());
}

}  // namespace
}  // namespace fathom::eval
