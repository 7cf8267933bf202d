#include <gtest/gtest.h>

#include "base/error.h"
#include "base/rng.h"

namespace fathom {
namespace {

TEST(Error, CarriesKindAndFormattedMessage) {
  try {
    fail(ErrorKind::kBadInput, "{}: found {}, expected {}", "a.json", 3, 4);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kBadInput);
    EXPECT_STREQ(error.what(), "a.json: found 3, expected 4");
    EXPECT_EQ(exit_code(error.kind()), 3);
  }
}

TEST(Rng, SameSeedSameSequenceAndUniformMoments) {
  Rng a(7), b(7);
  double sum = 0, normal_square = 0;
  constexpr int kDraws = 100000;
  for (int i = 0; i < kDraws; ++i) {
    ASSERT_EQ(a.next(), b.next());
    sum += a.uniform();
    b.uniform();
    const double z = a.normal();
    b.normal();
    normal_square += z * z;
  }
  EXPECT_NEAR(sum / kDraws, 0.5, 0.01);
  EXPECT_NEAR(normal_square / kDraws, 1.0, 0.03);
}

}  // namespace
}  // namespace fathom
