#include "checkpoint/fp8_cast.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "base/rng.h"
#include "tensor/float_formats.h"

namespace fathom {
namespace {

TEST(Fp8Cast, EveryCodeUnderOddScalesIsTheScalarDefinition) {
  Rng rng(1);
  std::vector<uint8_t> codes(5 * 256 + 77);
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<uint8_t>(i);
  const int64_t cols = static_cast<int64_t>(codes.size()) / 3;
  WeightView weight{codes.data(), DType::kF8E4M3, 3, cols, nullptr};
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<float> scales(weight.scale_cols());
    for (float& scale : scales) {
      scale =
          std::ldexp(static_cast<float>(1 + rng.uniform()), static_cast<int>(rng.below(240)) - 140);
    }
    weight.scale = scales.data();
    std::vector<uint16_t> out(3 * cols + 1, 0xABCD);
    cast_fp8_to_bf16(weight, 0, 3, out.data());
    for (int64_t i = 0; i < 3 * cols; ++i) {
      const float product = e4m3_to_f32(codes[i]) * scales[i % cols / kScaleBlock];
      ASSERT_EQ(out[i], f32_to_bf16(product)) << "code " << int{codes[i]};
    }
    ASSERT_EQ(out[3 * cols], 0xABCD);
  }
}

TEST(Fp8Cast, QuantizesAsTheScalarDefinition) {
  Rng rng(2);
  const int64_t rows = 300, cols = 403;
  std::vector<float> x(rows * cols);
  for (float& value : x) {
    value = static_cast<float>(rng.normal() * std::exp2(rng.uniform() * 24 - 20));
    if (rng.below(50) == 0) value = -0.0f;
  }
  for (int64_t r = 128; r < 256; ++r) {
    for (int64_t c = 0; c < 128; ++c) x[r * cols + c] = 0;  // a block of zeros
  }
  x[299 * cols + 402] = 1e-44f;
  const WeightView weight{x.data(), DType::kF32, rows, cols, nullptr};
  std::vector<uint8_t> codes(rows * cols);
  std::vector<float> scales(3 * 4);
  ASSERT_FALSE(cast_to_fp8(weight, 0, rows, codes.data(), scales.data()));
  EXPECT_EQ(scales[4], 1.0f);
  for (int64_t block = 0; block < 12; ++block) {
    const int64_t top = block / 4 * 128, left = block % 4 * 128;
    float amax = 0;
    for (int64_t r = top; r < std::min(top + 128, rows); ++r) {
      for (int64_t c = left; c < std::min(left + 128, cols); ++c) {
        amax = std::max(amax, std::fabs(x[r * cols + c]));
        ASSERT_EQ(codes[r * cols + c], f32_to_e4m3(x[r * cols + c] / scales[block]));
      }
    }
    EXPECT_EQ(scales[block], amax > 0 ? amax / 448.0f : 1.0f);
  }
}

TEST(Fp8Cast, TheLargestValueOfABlockIsItsExtremeCode) {
  std::vector<uint16_t> x(128, f32_to_bf16(0.25f));
  x[17] = f32_to_bf16(-3.0f);
  const WeightView weight{x.data(), DType::kBF16, 1, 128, nullptr};
  std::vector<uint8_t> codes(128);
  float scale = 0;
  ASSERT_FALSE(cast_to_fp8(weight, 0, 1, codes.data(), &scale));
  EXPECT_EQ(codes[17], 0xFE);
  EXPECT_EQ(scale, 3.0f / 448.0f);
}

TEST(Fp8Cast, ReportsTheBlockOfANonFiniteValue) {
  std::vector<float> x(256 * 256, 1.0f);
  std::vector<uint8_t> codes(x.size());
  std::vector<float> scales(4);
  const WeightView weight{x.data(), DType::kF32, 256, 256, nullptr};
  for (const float bad :
       {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::quiet_NaN()}) {
    x[200 * 256 + 130] = bad;
    const auto block = cast_to_fp8(weight, 0, 256, codes.data(), scales.data());
    ASSERT_TRUE(block);
    EXPECT_EQ(block->row, 1);
    EXPECT_EQ(block->col, 1);
  }
}

}  // namespace
}  // namespace fathom
