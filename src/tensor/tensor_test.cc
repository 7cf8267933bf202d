#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tensor/buffer.h"
#include "tensor/float_formats.h"

namespace fathom {
namespace {

TEST(E4m3, EveryCodeRoundTrips) {
  for (int code = 0; code < 256; ++code) {
    const float value = e4m3_to_f32(static_cast<uint8_t>(code));
    if (std::isnan(value)) {
      EXPECT_EQ(code & 0x7F, 0x7F);
      continue;
    }
    EXPECT_EQ(f32_to_e4m3(value), code);
  }
}

TEST(E4m3, RoundsToNearestEven) {
  // Between each pair of neighbours: the midpoint goes to the even code, its float neighbours to
  // the nearer one.
  for (int code = 0; code < 0x7E; ++code) {
    const float low = e4m3_to_f32(static_cast<uint8_t>(code));
    const float high = e4m3_to_f32(static_cast<uint8_t>(code + 1));
    const float middle = 0.5f * (low + high);
    const int even = (code & 1) ? code + 1 : code;
    EXPECT_EQ(f32_to_e4m3(middle), even) << code;
    EXPECT_EQ(f32_to_e4m3(std::nextafter(middle, 0.0f)), code);
    EXPECT_EQ(f32_to_e4m3(std::nextafter(middle, 1e9f)), code + 1);
  }
  EXPECT_EQ(f32_to_e4m3(-1e-9f), 0x80);
  EXPECT_EQ(f32_to_e4m3(1e9f), 0x7E);
  EXPECT_EQ(f32_to_e4m3(std::numeric_limits<float>::infinity()), 0x7F);
}

TEST(Bf16, RoundsToNearestEvenAndKeepsNan) {
  EXPECT_EQ(f32_to_bf16(1.0f), 0x3F80);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3F808000u)), 0x3F80);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3F818000u)), 0x3F82);
  EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(std::bit_cast<float>(0x7F800001u)))));
  EXPECT_TRUE(std::isinf(bf16_to_f32(f32_to_bf16(std::numeric_limits<float>::max()))));
}

TEST(Buffer, IsAlignedAndZeroed) {
  for (size_t size : {size_t{1}, size_t{100}, size_t{5} << 20}) {
    Buffer buffer(size);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % 64, 0u);
    EXPECT_EQ(buffer.as<char>()[size - 1], 0);
  }
}

}  // namespace
}  // namespace fathom
