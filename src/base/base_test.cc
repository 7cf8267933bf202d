#include <gtest/gtest.h>

#include "base/error.h"
#include "base/http_address.h"
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

TEST(HttpAddress, ReadsWhatAnAddressSays) {
  const HttpAddress plain = parse_http_address("--api", "http://[::1]:8080/v1/");
  EXPECT_EQ(plain.host, "::1");
  EXPECT_EQ(plain.port, 8080);
  EXPECT_EQ(plain.path, "/v1");
  EXPECT_FALSE(plain.tls);
  EXPECT_EQ(plain.authority(), "[::1]:8080");
  EXPECT_EQ(plain.text(), "http://[::1]:8080/v1");
  const HttpAddress secure = parse_http_address("--api", "https://api.deepseek.com");
  EXPECT_TRUE(secure.tls);
  EXPECT_EQ(secure.port, 443);
  EXPECT_EQ(secure.path, "");
  EXPECT_EQ(secure.authority(), "api.deepseek.com");
  for (const char* wrong : {"api.deepseek.com", "ftp://x", "http://", "http://x:y/", "http://x:0",
                            "http://x:65536", "http://[::1", "http://[::1]8080", "http://me@x/",
                            "http://x/?q", "http://x/#f", "http://x y/"}) {
    EXPECT_THROW(parse_http_address("--api", wrong), Error) << wrong;
  }
}

}  // namespace
}  // namespace fathom
