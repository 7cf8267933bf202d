#include "kernels/rope.h"

#include <gtest/gtest.h>

#include <cmath>

namespace fathom {
namespace {

TEST(Rope, PlainFrequenciesWithoutYarn) {
  const auto f = rope_frequencies(8, 10000, std::nullopt);
  ASSERT_EQ(f.size(), 4u);
  for (size_t i = 0; i < f.size(); ++i) {
    EXPECT_DOUBLE_EQ(f[i], std::pow(10000.0, -static_cast<double>(i) / 4));
  }
  EXPECT_DOUBLE_EQ(attention_softmax_scale(192, std::nullopt), 1 / std::sqrt(192.0));
  EXPECT_DOUBLE_EQ(rope_magnitude(std::nullopt), 1.0);
}

TEST(Rope, YarnKeepsFastWavesAndStretchesSlowOnes) {
  const YarnParams yarn{40, 32, 1, 1, 1, 4096};  // the published model's
  const auto plain = rope_frequencies(64, 10000, std::nullopt);
  const auto f = rope_frequencies(64, 10000, yarn);
  EXPECT_DOUBLE_EQ(f.front(), plain.front());
  EXPECT_NEAR(f.back(), plain.back() / 40, 1e-18);
  for (size_t i = 1; i < f.size(); ++i) EXPECT_LT(f[i], f[i - 1]);
  const double m = 0.1 * std::log(40.0) + 1;
  EXPECT_NEAR(attention_softmax_scale(192, yarn), m * m / std::sqrt(192.0), 1e-15);
  EXPECT_DOUBLE_EQ(rope_magnitude(yarn), 1.0);
}

TEST(Rope, UnequalMagnitudesScaleTheAngles) {
  const YarnParams yarn{40, 32, 1, 1.0, 0.707, 4096};
  EXPECT_NEAR(rope_magnitude(yarn), (0.1 * std::log(40.0) + 1) / (0.0707 * std::log(40.0) + 1),
              1e-15);
}

}  // namespace
}  // namespace fathom
