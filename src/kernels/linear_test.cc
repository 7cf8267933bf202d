// Products of every set against their definition in ref: odd sizes, partial blocks, NaN and
// infinity, memory that ends where the operands end. Bounds come from the formats' epsilons.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/activations.h"
#include "kernels/ref/weight_row.h"
#include "kernels/testing/operands.h"

namespace fathom {
namespace {

class Linear : public testing::TestWithParam<const Kernels*> {
 protected:
  const Kernels& set() const { return *GetParam(); }
  Rng rng_{11};
};

struct LinearCase {
  Numerics numerics;
  DType dtype;
  int64_t rows, out, in;
};

std::string describe(const LinearCase& c) {
  return std::string(numerics_name(c.numerics)) + " " + std::string(dtype_name(c.dtype)) + " " +
         std::to_string(c.rows) + "x" + std::to_string(c.in) + " by " + std::to_string(c.out);
}

std::vector<LinearCase> linear_cases() {
  std::vector<LinearCase> cases;
  const int64_t shapes[][3] = {{1, 1, 1},     {1, 64, 128},  {2, 63, 127}, {3, 65, 129},
                               {4, 130, 31},  {5, 64, 3},    {6, 7, 260},  {7, 64, 513},
                               {11, 96, 256}, {13, 129, 66}, {66, 65, 130}};
  for (Numerics numerics : {Numerics::kNative, Numerics::kExact, Numerics::kW8A8}) {
    for (DType dtype : {DType::kF8E4M3, DType::kBF16, DType::kF32}) {
      for (const auto& s : shapes) cases.push_back({numerics, dtype, s[0], s[1], s[2]});
    }
  }
  return cases;
}

// Sum over k of |x * w| with scales, for the bound.
double magnitude(const Activations& x, const WeightView& w, int64_t r, int64_t n) {
  double sum = 0;
  for (int64_t k = 0; k < w.cols; ++k) {
    sum += std::abs(x.f32.row(r)[k] * raw_weight(w, n, k) * weight_scale(w, n, k));
  }
  return sum;
}

std::vector<std::byte> sorted(std::vector<std::byte> bytes) {
  std::ranges::sort(bytes);
  return bytes;
}

TEST_P(Linear, OfEverySizeTypeAndLayout) {
  ActivationBuffer reference_buffer, buffer;
  for (const LinearCase& c : linear_cases()) {
    SCOPED_TRACE(describe(c));
    const Matrix matrix(c.dtype, c.out, c.in, static_cast<uint64_t>(c.in));
    Guarded<float> input(static_cast<size_t>(c.rows * c.in));
    fill_normal(input.span(), rng_);
    const Mat<const float> x(input.data(), c.rows, c.in);
    std::vector<float> want(static_cast<size_t>(c.rows * c.out));
    const Activations exact = reference_buffer.prepare(ref_kernels(), c.numerics, x);
    ref_kernels().linear(exact, matrix.view, 0, c.out, {want.data(), c.rows, c.out});

    const Activations in = buffer.prepare(set(), c.numerics, x);
    Guarded<float> got(want.size(), kNan);
    set().linear(in, matrix.view, 0, c.out, {got.data(), c.rows, c.out});
    // At most 128 additions in a block, one for each block, and a scale.
    const double steps = static_cast<double>(std::min(c.in, kScaleBlock) + ceil_div(c.in, 128) + 2);
    for (int64_t r = 0; r < c.rows; ++r) {
      for (int64_t n = 0; n < c.out; ++n) {
        const auto at = static_cast<size_t>(r * c.out + n);
        // Under w8a8 a value may be up to 1/15 larger than what it was rounded from.
        const double bound = 1.1 * steps * kEpsilon * magnitude(exact, matrix.view, r, n) + kTiny;
        ASSERT_NEAR(got[at], want[at], bound) << "row " << r << ", output " << n;
      }
    }

    // Panels hold the same bytes, in the set's own order: the same bits.
    const Panels panels(set(), matrix.view);
    EXPECT_EQ(sorted(panels.content()), sorted(Panels(ref_kernels(), matrix.view).content()));
    std::vector<float> again(want.size());
    set().linear(in, panels.view, 0, c.out, {again.data(), c.rows, c.out});
    EXPECT_EQ(std::memcmp(again.data(), got.data(), again.size() * sizeof(float)), 0);
  }
}

TEST_P(Linear, OfOneRowIsThatOfMany) {
  constexpr int64_t kRows = 37, kOut = 130, kIn = 300;
  for (Numerics numerics : {Numerics::kNative, Numerics::kExact, Numerics::kW8A8}) {
    for (DType dtype : {DType::kF8E4M3, DType::kBF16, DType::kF32}) {
      const Matrix matrix(dtype, kOut, kIn, 3);
      std::vector<float> x(kRows * kIn), all(kRows * kOut), one(kOut);
      fill_normal(x, rng_);
      ActivationBuffer buffer;
      const Activations in = buffer.prepare(set(), numerics, {x.data(), kRows, kIn});
      set().linear(in, matrix.view, 0, kOut, {all.data(), kRows, kOut});
      for (int32_t r = 0; r < kRows; ++r) {
        Activations picked = in;
        picked.index = {&r, 1};
        // In pieces as well: panel by panel.
        for (int64_t first = 0; first < kOut; first += kPanelRows) {
          const int64_t last = std::min(first + kPanelRows, kOut);
          set().linear(picked, matrix.view, first, last, {one.data() + first, 1, last - first});
        }
        ASSERT_EQ(
            std::memcmp(one.data(), &all[static_cast<size_t>(r * kOut)], sizeof(float) * kOut), 0)
            << numerics_name(numerics) << " " << dtype_name(dtype) << " row " << r;
      }
    }
  }
}

// How panels are walked depends on the rows, and on whether a NaN may be among the codes.
TEST_P(Linear, OfAFewRowsOverManyPanels) {
  constexpr int64_t kIn = 306;
  const auto run = [&](DType dtype, int64_t out, bool nan) {
    Matrix matrix(dtype, out, kIn, 4);
    if (nan) matrix.bytes[static_cast<size_t>(100 * kIn + 200)] = std::byte{0x7F};
    Panels panels(set(), matrix.view);
    for (int64_t rows = 1; rows <= 14; ++rows) {
      std::vector<float> x(static_cast<size_t>(rows * kIn));
      fill_normal(x, rng_);
      ActivationBuffer buffer;
      const Activations in = buffer.prepare(set(), Numerics::kNative, {x.data(), rows, kIn});
      std::vector<float> want(static_cast<size_t>(rows * out)), got(want.size());
      set().linear(in, matrix.view, 0, out, {want.data(), rows, out});
      for (const bool finite : {false, dtype == DType::kF8E4M3 && !nan}) {
        panels.view.finite = finite;
        set().linear(in, panels.view, 0, out, {got.data(), rows, out});
        for (int64_t i = 0; i < rows * out; ++i) {
          const auto at = static_cast<size_t>(i);
          ASSERT_EQ(std::isnan(want[at]), nan && i % out == 100) << rows << " rows, at " << i;
          const bool both = std::isnan(want[at]) && std::isnan(got[at]);
          ASSERT_TRUE(both || std::memcmp(&want[at], &got[at], sizeof(float)) == 0)
              << dtype_name(dtype) << ", " << rows << " rows of " << out << ", at " << i;
        }
      }
    }
  };
  for (const int64_t out : {180, 256, 449}) {
    run(DType::kF8E4M3, out, false);
    run(DType::kF8E4M3, out, true);
    run(DType::kBF16, out, false);
    run(DType::kF32, out, false);
  }
}

// Of every set, though only some store whole lines: a misplaced panel is found on any machine.
TEST_P(Linear, PanelsBeginWithALine) {
  const Matrix matrix(DType::kF8E4M3, 64, 64, 5);
  Buffer memory(2 * panel_bytes(64));
  EXPECT_DEATH(set().pack_panel(matrix.view, 0, memory.data() + 16), "is_panel_place");
}

TEST_P(Linear, WritesItsColumnsAlone) {
  const Matrix matrix(DType::kF8E4M3, 100, 64, 5);
  std::vector<float> x(2 * 64, 1.0f), y(2 * 140, 7.0f);
  ActivationBuffer buffer;
  const Activations in = buffer.prepare(set(), Numerics::kNative, {x.data(), 2, 64});
  set().linear(in, matrix.view, 64, 100, Mat<float>(y.data(), 2, 140).cols_from(20, 36));
  for (int64_t r = 0; r < 2; ++r) {
    for (int64_t i = 0; i < 140; ++i) {
      const bool inside = i >= 20 && i < 56;
      EXPECT_EQ(y[static_cast<size_t>(r * 140 + i)] == 7.0f, !inside) << r << ", " << i;
    }
  }
}

// Each row in a product of its own.
std::vector<float> one_by_one(const Kernels& set, Activations x, const WeightView& w) {
  const int64_t rows = x.rows();
  std::vector<float> y(static_cast<size_t>(rows * w.rows));
  for (int32_t r = 0; r < rows; ++r) {
    Activations one = x;
    one.index = {&r, 1};
    set.linear(one, w, 0, w.rows, {y.data() + r * w.rows, 1, w.rows});
  }
  return y;
}

TEST_P(Linear, CarriesNanAndInfinityWhereTheyBelong) {
  constexpr int64_t kRows = 9, kOut = 70, kIn = 140;
  for (DType dtype : {DType::kF8E4M3, DType::kBF16, DType::kF32}) {
    Matrix matrix(dtype, kOut, kIn, 8);
    std::vector<float> x(kRows * kIn);
    fill_normal(x, rng_);
    x[2 * kIn + 139] = kNan;
    x[4 * kIn + 5] = kInfinity;
    if (dtype == DType::kF8E4M3) matrix.bytes[66 * kIn + 100] = std::byte{0xFF};  // a NaN weight
    for (Numerics numerics : {Numerics::kNative, Numerics::kExact}) {
      const Panels panels(set(), matrix.view);
      std::vector<float> want(kRows * kOut), got(kRows * kOut);
      ActivationBuffer buffer;
      const Activations in = buffer.prepare(set(), numerics, {x.data(), kRows, kIn});
      ref_kernels().linear(in, matrix.view, 0, kOut, {want.data(), kRows, kOut});
      set().linear(in, matrix.view, 0, kOut, {got.data(), kRows, kOut});
      const std::vector<float> few = one_by_one(set(), in, panels.view);
      for (size_t i = 0; i < want.size(); ++i) {
        for (const float value : {got[i], few[i]}) {
          EXPECT_EQ(std::isnan(value), std::isnan(want[i])) << i;
          if (std::isinf(want[i])) {
            EXPECT_EQ(value, want[i]) << i;
          }
          EXPECT_EQ(std::isfinite(value), std::isfinite(want[i])) << i;
        }
      }
    }
  }
}

// Activations near both ends of a float's range, and of very different sizes within a block. Where
// they are rounded to BF16 they stay normal numbers: the processors' BF16 products take others for
// zeros.
TEST_P(Linear, OfHugeAndTinyValues) {
  constexpr int64_t kRows = 8, kOut = 70, kIn = 260;
  const auto run = [&](float scale, DType dtype, Numerics numerics) {
    SCOPED_TRACE(std::to_string(std::log2(scale)) + " " + std::string(dtype_name(dtype)) + " " +
                 std::string(numerics_name(numerics)));
    Matrix matrix(dtype, kOut, kIn, 12);
    // So that no result leaves the range.
    for (float& s : matrix.scales.span()) s = scale < 1 ? 0x1p20f : 0x1p-20f;
    std::vector<float> x(kRows * kIn);
    fill_normal(x, rng_);
    for (size_t i = 0; i < x.size(); ++i) x[i] *= scale * (i % 3 == 0 ? 0x1p-12f : 1.0f);
    const Panels panels(set(), matrix.view);
    std::vector<float> want(kRows * kOut), got(kRows * kOut);
    ActivationBuffer buffer;
    const Activations in = buffer.prepare(set(), numerics, {x.data(), kRows, kIn});
    ref_kernels().linear(in, matrix.view, 0, kOut, {want.data(), kRows, kOut});
    set().linear(in, panels.view, 0, kOut, {got.data(), kRows, kOut});
    const std::vector<float> few = one_by_one(set(), in, panels.view);
    EXPECT_EQ(std::memcmp(few.data(), got.data(), got.size() * sizeof(float)), 0);
    for (size_t i = 0; i < want.size(); ++i) {
      const auto n = static_cast<int64_t>(i);
      const double bound =
          1.1 * 133 * kEpsilon * magnitude(in, matrix.view, n / kOut, n % kOut) + kTiny;
      ASSERT_NEAR(got[i], want[i], bound) << i;
    }
  };
  for (DType dtype : {DType::kF8E4M3, DType::kBF16}) {
    for (const float scale : {0x1p-100f, 0x1p-60f, 0x1p60f, 0x1p100f, 0x1p110f}) {
      run(scale, dtype, Numerics::kNative);
      run(scale, dtype, Numerics::kExact);
    }
    run(0x1p-140f, dtype, Numerics::kExact);
  }
}

// What a thread keeps from one product to the next shows in none of them.
TEST_P(Linear, AfterNanIsClean) {
  constexpr int64_t kRows = 15, kOut = 70, kIn = 100;
  for (DType dtype : {DType::kF8E4M3, DType::kBF16, DType::kF32}) {
    std::vector<float> x(kRows * kIn), y(kRows * kOut);
    fill_normal(x, rng_);
    ActivationBuffer buffer;
    Matrix bad(DType::kF32, kOut, kIn, 3);
    for (int64_t i = 0; i < kOut * kIn; ++i) std::memcpy(&bad.bytes[i * 4], &kNan, 4);
    for (int64_t width = kIn - 7; width < kIn; ++width) {
      Activations in = buffer.prepare(set(), Numerics::kNative, {x.data(), kRows, kIn});
      set().linear(in, bad.view, 0, kOut, {y.data(), kRows, kOut});
      EXPECT_TRUE(std::isnan(y[0]));
      const Matrix good(dtype, kOut, width, 4);
      in = buffer.prepare(set(), Numerics::kNative, {x.data(), kRows, width});
      set().linear(in, good.view, 0, kOut, {y.data(), kRows, kOut});
      for (float value : y) ASSERT_TRUE(std::isfinite(value)) << dtype_name(dtype) << " " << width;
    }
  }
}

TEST(Panel, HoldsNan) {
  std::vector<std::byte> codes(1000, std::byte{0x7E});
  codes[3] = std::byte{0xFE};
  EXPECT_FALSE(holds_nan(codes));
  for (const uint8_t nan : {0x7F, 0xFF}) {
    std::vector<std::byte> with = codes;
    with[937] = std::byte{nan};
    EXPECT_TRUE(holds_nan(with));
  }
}

INSTANTIATE_TEST_SUITE_P(Sets, Linear, testing::ValuesIn(runnable_kernels()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace fathom
