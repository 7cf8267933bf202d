// INT8: the rounding of weights and activations against its bounds, and the product of every set
// against that of ref, to the bit.
#include "kernels/int8.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "base/rng.h"
#include "kernels/activations.h"
#include "kernels/ref/int8.h"
#include "kernels/ref/weight_row.h"
#include "tensor/buffer.h"
#include "tensor/float_formats.h"

namespace fathom {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<float> normal(size_t count, Rng& rng, float scale = 1) {
  std::vector<float> x(count);
  for (float& v : x) v = static_cast<float>(rng.normal()) * scale;
  return x;
}

/// Row-major weights of a type, and the same in INT8.
struct Weights {
  Weights(DType dtype, int64_t rows, int64_t cols, uint64_t seed)
      : values(static_cast<size_t>(rows * cols) * dtype_size(dtype)),
        scales(static_cast<size_t>(ceil_div(rows, kScaleBlock) * ceil_div(cols, kScaleBlock))) {
    Rng rng(seed);
    for (size_t i = 0; i < static_cast<size_t>(rows * cols); ++i) {
      const auto value = static_cast<float>(rng.normal());
      const uint16_t bf16 = f32_to_bf16(value);
      const uint8_t code = f32_to_e4m3(value * 100);
      const void* from = dtype == DType::kF8E4M3 ? static_cast<const void*>(&code)
                         : dtype == DType::kBF16 ? static_cast<const void*>(&bf16)
                                                 : &value;
      std::memcpy(&values[i * dtype_size(dtype)], from, dtype_size(dtype));
    }
    for (float& s : scales) s = static_cast<float>(0.5 + rng.uniform()) * 0x1p-8f;
    source = {values.data(), dtype, rows, cols, dtype == DType::kF8E4M3 ? scales.data() : nullptr};
    pack();
  }

  void pack() {
    packed = Buffer(int8_packed_bytes(source.rows, source.cols));
    for (int64_t p = 0; p < ceil_div(source.rows, kPanelRows); ++p) {
      pack_int8_panel(source, p,
                      packed.data() + static_cast<size_t>(p) * int8_panel_bytes(source.cols));
    }
    view = {packed.data(), DType::kI8, source.rows, source.cols, nullptr, WeightLayout::kPanels};
  }

  std::vector<std::byte> values;
  std::vector<float> scales;
  Buffer packed;
  WeightView source, view;
};

// Half a step of a scale that is at most 1/128 larger than needed, and BF16's subnormals apart.
TEST(Int8, WeightsAreWithinHalfAStep) {
  for (DType dtype : {DType::kF8E4M3, DType::kBF16, DType::kF32}) {
    for (const auto& [rows, cols] : {std::pair<int64_t, int64_t>{1, 1}, {65, 130}, {130, 384}}) {
      const Weights w(dtype, rows, cols, 5);
      for (int64_t n = 0; n < rows; ++n) {
        for (int64_t begin = 0; begin < cols; begin += kScaleBlock) {
          const int64_t end = std::min(begin + kScaleBlock, cols);
          const float scale = ref::int8_scale(w.view, n, begin / kScaleBlock);
          double top = 0;
          for (int64_t k = begin; k < end; ++k) {
            const double value = raw_weight(w.source, n, k) * weight_scale(w.source, n, k);
            top = std::max(top, std::abs(value));
            ASSERT_NEAR(ref::int8_code(w.view, n, k) * static_cast<double>(scale), value,
                        0.5001 * scale);
          }
          EXPECT_GE(scale * 127.0001, top);
          EXPECT_LE(scale * 127.0, top * (1 + 1.0 / 127));
        }
      }
    }
  }
}

TEST(Int8, WeightsThatAreNoNumbersOrNothing) {
  Weights w(DType::kF32, 3, 200, 6);
  auto* values = reinterpret_cast<float*>(w.values.data());
  values[10] = kNan;
  values[200 + 150] = kInfinity;
  std::fill_n(values + 400, 128, 1e-31f);
  w.pack();
  EXPECT_TRUE(std::isnan(ref::int8_scale(w.view, 0, 0)));
  EXPECT_FALSE(std::isnan(ref::int8_scale(w.view, 0, 1)));
  EXPECT_TRUE(std::isnan(ref::int8_scale(w.view, 1, 1)));
  EXPECT_EQ(ref::int8_scale(w.view, 2, 0), 0.0f);
  EXPECT_EQ(ref::int8_code(w.view, 2, 5), 0);
  EXPECT_EQ(ref::int8_code(w.view, 0, 10), 0);
}

class Int8Sets : public testing::TestWithParam<const Kernels*> {
 protected:
  const Kernels& set() const { return *GetParam(); }
  Rng rng_{12};
};

TEST_P(Int8Sets, ActivationsRoundAsInRef) {
  for (size_t size : {size_t{1}, size_t{7}, size_t{17}, size_t{127}, size_t{128}}) {
    for (float scale : {1e-38f, 1e-30f, 1e-6f, 1.0f, 1e35f}) {
      std::vector<float> x = normal(size, rng_, scale);
      x[size / 2] = 127 * scale;  // whose step is `scale`: halves to round to even
      if (size > 4) x[1] = 2.5f * scale;
      if (size > 4) x[3] = -3.5f * scale;
      alignas(64) int8_t want[kScaleBlock], got[kScaleBlock];
      std::memset(got, 77, sizeof got);
      const Int8Scale want_scale = ref_kernels().quantize_int8(x, want);
      const Int8Scale got_scale = set().quantize_int8(x, got);
      EXPECT_EQ(std::memcmp(got, want, sizeof want), 0) << size << " " << scale;
      EXPECT_EQ(got_scale.scale, want_scale.scale);
      EXPECT_EQ(got_scale.offset, want_scale.offset);
      int sum = 0;
      for (size_t i = 0; i < size; ++i) {
        sum += got[i];
        EXPECT_NEAR(got[i] * static_cast<double>(got_scale.scale), x[i],
                    0.5001 * got_scale.scale + kLeastInt8);
      }
      EXPECT_EQ(got_scale.offset, -kInt8Offset * sum);
      for (size_t i = size; i < kScaleBlock; ++i) EXPECT_EQ(got[i], 0);
    }
  }
}

TEST_P(Int8Sets, ActivationsThatAreNoNumbers) {
  for (float bad : {kNan, -kNan, kInfinity, -kInfinity}) {
    std::vector<float> x = normal(100, rng_);
    x[61] = bad;
    alignas(64) int8_t codes[kScaleBlock];
    const Int8Scale scale = set().quantize_int8(x, codes);
    EXPECT_TRUE(std::isnan(scale.scale));
    EXPECT_EQ(scale.offset, 0);
    for (int8_t code : codes) EXPECT_EQ(code, 0);
  }
}

// All sizes of tiles, of groups of rows and of panels side by side.
TEST_P(Int8Sets, ProductIsThatOfRefToTheBit) {
  const int64_t shapes[][3] = {{1, 1, 1},      {1, 64, 128},  {2, 63, 127},  {3, 449, 129},
                               {4, 130, 31},   {5, 64, 3},    {6, 7, 260},   {7, 64, 513},
                               {11, 96, 256},  {13, 129, 66}, {49, 65, 130}, {54, 130, 400},
                               {103, 70, 640}, {1, 449, 300}, {2, 256, 300}};
  for (const auto& [rows, out, in] : shapes) {
    SCOPED_TRACE(testing::Message() << rows << "x" << in << " by " << out);
    const Weights w(DType::kF8E4M3, out, in, static_cast<uint64_t>(in));
    const std::vector<float> x = normal(static_cast<size_t>(rows * in), rng_);
    const Mat<const float> input(x.data(), rows, in);
    std::vector<float> want(static_cast<size_t>(rows * out)), got(want.size(), kNan);
    ActivationBuffer want_buffer, buffer;
    ref_kernels().linear(want_buffer.prepare(ref_kernels(), Numerics::kInt8, input), w.view, 0, out,
                         {want.data(), rows, out});
    set().linear(buffer.prepare(set(), Numerics::kInt8, input), w.view, 0, out,
                 {got.data(), rows, out});
    EXPECT_EQ(std::memcmp(got.data(), want.data(), got.size() * sizeof(float)), 0);
  }
}

// Against the product of what was rounded: two half steps a factor, and little else.
TEST_P(Int8Sets, ProductIsNearTheExactOne) {
  constexpr int64_t kRows = 9, kOut = 70, kIn = 1000;
  const Weights w(DType::kF8E4M3, kOut, kIn, 9);
  const std::vector<float> x = normal(kRows * kIn, rng_);
  std::vector<float> exact(kRows * kOut), got(exact.size());
  ActivationBuffer exact_buffer, buffer;
  const Mat<const float> input(x.data(), kRows, kIn);
  ref_kernels().linear(exact_buffer.prepare(ref_kernels(), Numerics::kExact, input), w.source, 0,
                       kOut, {exact.data(), kRows, kOut});
  set().linear(buffer.prepare(set(), Numerics::kInt8, input), w.view, 0, kOut,
               {got.data(), kRows, kOut});
  double error = 0, norm = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    error += std::pow(static_cast<double>(got[i]) - exact[i], 2);
    norm += std::pow(static_cast<double>(exact[i]), 2);
  }
  // A block of 128 normal values reaches to 2.7 deviations, and so a step's error, uniform, is
  // 2.7 / 127 / sqrt(12) of one: 0.6% for each factor.
  EXPECT_LT(std::sqrt(error / norm), 0.012);
}

TEST_P(Int8Sets, ARowIsItsOwn) {
  constexpr int64_t kRows = 61, kOut = 330, kIn = 300;
  const Weights w(DType::kBF16, kOut, kIn, 3);
  const std::vector<float> x = normal(kRows * kIn, rng_);
  std::vector<float> all(kRows * kOut), one(kOut), some(6 * kOut);
  ActivationBuffer buffer;
  const Activations in = buffer.prepare(set(), Numerics::kInt8, {x.data(), kRows, kIn});
  set().linear(in, w.view, 0, kOut, {all.data(), kRows, kOut});
  const auto same = [&](const float* got, int64_t row) {
    return std::memcmp(got, &all[static_cast<size_t>(row * kOut)], sizeof(float) * kOut) == 0;
  };
  for (int32_t r = 0; r < kRows; ++r) {
    Activations picked = in;
    picked.index = {&r, 1};
    for (int64_t first = 0; first < kOut; first += kPanelRows) {
      const int64_t last = std::min(first + kPanelRows, kOut);
      set().linear(picked, w.view, first, last, {one.data() + first, 1, last - first});
    }
    ASSERT_TRUE(same(one.data(), r)) << r;
  }
  // A few, in another order; and a part of the rows and columns.
  for (size_t count = 2; count <= 6; ++count) {
    const int32_t rows[] = {60, 3, 17, 2, 41, 0};
    Activations picked = in;
    picked.index = {rows, count};
    set().linear(picked, w.view, 0, kOut, {some.data(), static_cast<int64_t>(count), kOut});
    for (size_t i = 0; i < count; ++i) ASSERT_TRUE(same(&some[i * kOut], rows[i])) << count;
  }
  set().linear(in.part(7, 1, kIn), w.view, 0, kOut, {one.data(), 1, kOut});
  EXPECT_TRUE(same(one.data(), 7));
}

TEST_P(Int8Sets, ColumnsOfYAlone) {
  const Weights w(DType::kF8E4M3, 100, 64, 5);
  for (int64_t rows : {2, 9}) {
    const std::vector<float> x(static_cast<size_t>(rows) * 64, 1.0f);
    std::vector<float> y(static_cast<size_t>(rows) * 140, 7.0f);
    ActivationBuffer buffer;
    const Activations in = buffer.prepare(set(), Numerics::kInt8, {x.data(), rows, 64});
    set().linear(in, w.view, 64, 100, Mat<float>(y.data(), rows, 140).cols_from(20, 36));
    for (int64_t i = 0; i < rows * 140; ++i) {
      const bool inside = i % 140 >= 20 && i % 140 < 56;
      EXPECT_EQ(y[static_cast<size_t>(i)] == 7.0f, !inside) << i;
    }
  }
}

// A row with a NaN or an infinity, and an output whose weights have one, become NaN; nothing else.
TEST_P(Int8Sets, NanStaysInItsRowAndColumn) {
  constexpr int64_t kOut = 70, kIn = 140;
  Weights w(DType::kF32, kOut, kIn, 8);
  reinterpret_cast<float*>(w.values.data())[66 * kIn + 100] = kNan;
  w.pack();
  for (int64_t rows : {5, 9}) {
    std::vector<float> x = normal(static_cast<size_t>(rows * kIn), rng_);
    x[2 * kIn + 139] = kNan;
    x[4 * kIn + 5] = kInfinity;
    std::vector<float> y(static_cast<size_t>(rows * kOut));
    ActivationBuffer buffer;
    set().linear(buffer.prepare(set(), Numerics::kInt8, {x.data(), rows, kIn}), w.view, 0, kOut,
                 {y.data(), rows, kOut});
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t n = 0; n < kOut; ++n) {
        EXPECT_EQ(std::isnan(y[static_cast<size_t>(r * kOut + n)]), r == 2 || r == 4 || n == 66);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sets, Int8Sets, testing::ValuesIn(runnable_kernels()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace fathom
