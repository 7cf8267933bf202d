// The operations beside products, of every set, against their definition in ref: odd sizes, NaN and
// infinity, memory that ends where the operands end. Bounds come from the formats' epsilons.
#include "kernels/ops.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <memory>

#include "kernels/testing/operands.h"

namespace fathom {
namespace {

class Ops : public testing::TestWithParam<const Kernels*> {
 protected:
  const Kernels& set() const { return *GetParam(); }
  Rng rng_{11};
};

std::vector<float> special_values() {
  std::vector<float> x = {0.0f,     -0.0f,     kNan,      kInfinity, -kInfinity, 448.0f,
                          464.0f,   0x1p-9f,   0x1p-10f,  0x1.8p-9f, 1e-40f,     -1e-40f,
                          3.39e38f, -3.39e38f, 0x1.01p0f, 0x1.03p0f, 0x1.0101p0f};
  Rng rng(4);
  while (x.size() < 1000 + 37) {
    const auto bits = static_cast<uint32_t>(rng.next());
    float value;
    std::memcpy(&value, &bits, sizeof value);
    x.push_back(value);
  }
  return x;
}

TEST_P(Ops, RoundingsAreThoseOfRefToTheBit) {
  const std::vector<float> x = special_values();
  for (size_t size : {size_t{1}, size_t{7}, size_t{17}, size_t{128}, x.size()}) {
    Guarded<float> in(size);
    std::copy_n(x.begin(), size, in.data());
    Guarded<uint16_t> got(size);
    std::vector<uint16_t> want(size);
    ref_kernels().round_bf16(in.span(), want.data());
    set().round_bf16(in.span(), got.data());
    EXPECT_TRUE(std::equal(want.begin(), want.end(), got.data())) << size;
  }
}

TEST_P(Ops, QuantizationIsThatOfRefToTheBit) {
  for (size_t size : {size_t{1}, size_t{9}, size_t{127}, size_t{129}, size_t{400}}) {
    for (float scale : {1e-6f, 1.0f, 1e20f}) {
      Guarded<float> in(size);
      fill_normal(in.span(), rng_, scale);
      const auto blocks = static_cast<size_t>(ceil_div(static_cast<int64_t>(size), kScaleBlock));
      Guarded<uint8_t> codes(size);
      Guarded<float> scales(blocks);
      std::vector<uint8_t> want(size);
      std::vector<float> want_scales(blocks);
      ref_kernels().quantize_e4m3(in.span(), want.data(), want_scales.data());
      set().quantize_e4m3(in.span(), codes.data(), scales.data());
      EXPECT_TRUE(std::equal(want.begin(), want.end(), codes.data())) << size << " " << scale;
      EXPECT_TRUE(std::equal(want_scales.begin(), want_scales.end(), scales.data()));
    }
  }
}

TEST_P(Ops, RowsOfEveryLength) {
  for (size_t size : {2, 6, 8, 14, 16, 18, 64, 130, 200}) {
    SCOPED_TRACE(size);
    Guarded<float> x(size), y(size), got(size, kNan);
    std::vector<float> want(size);
    fill_normal(x.span(), rng_, 3);
    fill_normal(y.span(), rng_);

    ref_kernels().rms_norm(x.span(), y.span(), 1e-6f, want.data());
    set().rms_norm(x.span(), y.span(), 1e-6f, got.data());
    for (size_t i = 0; i < size; ++i) {
      // One rounding: at most the neighbour, where double's own error tips it over.
      ASSERT_NEAR(got[i], want[i], 2.01 * kEpsilon * std::abs(want[i])) << i;
    }

    x[0] = -120;  // silu underflows
    if (size > 2) x[2] = 120;
    ref_kernels().swiglu(x.span(), y.span(), want.data());
    set().swiglu(x.span(), y.span(), got.data());
    for (size_t i = 0; i < size; ++i) {
      // exp within 2 units, whose share of 1 + exp is at most all of it; three more roundings.
      ASSERT_NEAR(got[i], want[i], 8 * kEpsilon * std::abs(want[i]) + 1e-35) << i;
    }

    std::vector<float> cos(size / 2), sin(size / 2), turned(x.data(), x.data() + size);
    for (size_t i = 0; i < size / 2; ++i) {
      cos[i] = static_cast<float>(std::cos(static_cast<double>(i)));
      sin[i] = static_cast<float>(std::sin(static_cast<double>(i)));
    }
    ref_kernels().rope(turned, cos, sin);
    const std::vector<float> before(x.data(), x.data() + size);
    set().rope(x.span(), cos, sin);
    for (size_t i = 0; i < size; ++i) {
      const double bound = std::abs(before[i]) + std::abs(before[i ^ 1]);
      ASSERT_NEAR(x[i], turned[i], 2 * kEpsilon * bound) << i;
    }
  }
}

TEST_P(Ops, SwigluAndNormOfNanAndInfinity) {
  const std::vector<float> gate = {kNan, kInfinity, -kInfinity, 1, 1};
  const std::vector<float> up = {1, 2, 1, kNan, kInfinity};
  std::vector<float> y(5);
  set().swiglu(gate, up, y.data());
  EXPECT_TRUE(std::isnan(y[0]));
  EXPECT_EQ(y[1], kInfinity);
  EXPECT_TRUE(std::isnan(y[3]));
  EXPECT_EQ(y[4], kInfinity);
  set().rms_norm(gate, up, 1e-6f, y.data());
  for (float v : y) EXPECT_TRUE(std::isnan(v));
}

/// A latent cache with queries.
struct Attention {
  Attention(DType type, int64_t rank, int64_t rope, std::vector<int64_t> row_lengths, Rng& rng)
      : dtype(type), lengths(std::move(row_lengths)), latent(rank + rope), rank(rank) {
    const int64_t stride = latent + latent % 2;
    const int64_t positions = *std::max_element(lengths.begin(), lengths.end());
    for (int64_t p = 0; p < ceil_div(positions, kCachePage); ++p) {
      pages.push_back(std::make_unique<Guarded<std::byte>>(
          static_cast<size_t>(kCachePage * stride) * dtype_size(dtype)));
      page_data.push_back(pages.back()->data());
      for (int64_t i = 0; i < kCachePage * stride; ++i) {
        const bool padding = i % stride >= latent;
        const float value = padding ? 0.0f : static_cast<float>(rng.normal());
        const uint16_t bf16 = f32_to_bf16(value);
        if (dtype == DType::kBF16) {
          std::memcpy(page_data.back() + i * 2, &bf16, 2);
        } else {
          std::memcpy(page_data.back() + i * 4, &value, 4);
        }
      }
    }
    const auto rows = static_cast<int64_t>(lengths.size());
    q.resize(static_cast<size_t>(rows * latent));
    fill_normal(q, rng);
    args.q = {q.data(), rows, latent};
    args.lengths = lengths.data();
    args.pages = page_data;
    args.cache_dtype = dtype;
    args.latent_stride = stride;
    args.kv_lora_rank = rank;
    args.softmax_scale = 0.1f;
  }

  int64_t parts() const {
    return ceil_div(*std::max_element(lengths.begin(), lengths.end()), kAttendPart);
  }

  DType dtype;
  std::vector<int64_t> lengths;
  int64_t latent, rank;
  std::vector<std::unique_ptr<Guarded<std::byte>>> pages;
  std::vector<std::byte*> page_data;
  std::vector<float> q;
  AttendArgs args;
};

struct States {
  States(int64_t rows, int64_t rank)
      : out(static_cast<size_t>(rows * rank), kNan),
        top(static_cast<size_t>(rows)),
        total(static_cast<size_t>(rows)),
        view{{out.data(), rows, rank}, top.data(), total.data()} {}
  std::vector<float> out, top, total;
  AttendState view;
};

// The normalized result, and top + log(total), within what rounding queries, weights and sums does.
void expect_close(const Attention& a, const States& got, const States& want) {
  const bool bf16 = a.dtype == DType::kBF16;
  const auto rows = static_cast<int64_t>(a.lengths.size());
  for (int64_t r = 0; r < rows; ++r) {
    const auto row = static_cast<size_t>(r);
    double norm = 0;  // |q| |k| of normal values, of which a score's error is a part
    for (int64_t i = 0; i < a.latent; ++i) {
      norm += std::pow(a.args.q.row(r)[i], 2);
    }
    norm = std::sqrt(norm * static_cast<double>(a.latent)) * 2;
    const double unit = bf16 ? kEpsilonBf16 : kEpsilon * static_cast<double>(a.latent);
    const double score_error = a.args.softmax_scale * norm * unit;
    const double weight_error =
        2 * score_error + (bf16 ? kEpsilonBf16 : 0) + 1100 * kEpsilon;  // a part has 1024 sums
    EXPECT_NEAR(got.top[row] + std::log(got.total[row]), want.top[row] + std::log(want.total[row]),
                weight_error);
    for (int64_t i = 0; i < a.rank; ++i) {
      const auto at = static_cast<size_t>(r * a.rank + i);
      // Values are normal: their weighted mean of absolutes is below 4.
      ASSERT_NEAR(got.out[at] / got.total[row], want.out[at] / want.total[row], 4 * weight_error)
          << "row " << r << " of length " << a.lengths[row] << ", column " << i;
    }
  }
}

TEST_P(Ops, AttentionOfEveryLengthAndWidth) {
  const std::vector<std::vector<int64_t>> batches = {
      {1}, {63, 64, 65}, {255, 256, 257, 1}, {1023, 1024, 1025, 2, 700}, {2100}};
  for (DType dtype : {DType::kBF16, DType::kF32}) {
    for (const auto& [rank, rope] : {std::pair{64, 16}, {130, 6}, {33, 8}, {7, 2}}) {
      for (const auto& lengths : batches) {
        SCOPED_TRACE(std::string(dtype_name(dtype)) + " rank " + std::to_string(rank));
        const Attention a(dtype, rank, rope, lengths, rng_);
        const auto rows = static_cast<int64_t>(lengths.size());
        States want(rows, rank), got(rows, rank);
        ref_kernels().attend(a.args, 0, a.parts(), want.view);
        set().attend(a.args, 0, a.parts(), got.view);
        expect_close(a, got, want);
      }
    }
  }
}

// Few rows and many are weighted in different ways, widths of whole vectors and others too.
TEST_P(Ops, AttentionOfARowIsItsOwn) {
  for (const auto& [rank, rows] : {std::pair<int64_t, int64_t>{130, 64}, {64, 64}, {64, 16}}) {
    std::vector<int64_t> lengths(static_cast<size_t>(rows));
    for (size_t r = 0; r < lengths.size(); ++r) lengths[r] = 1 + static_cast<int64_t>(r) * 19;
    for (DType dtype : {DType::kBF16, DType::kF32}) {
      const Attention a(dtype, rank, 6, lengths, rng_);
      States all(rows, a.rank);
      set().attend(a.args, 0, a.parts(), all.view);
      for (int64_t r = 0; r < rows; r += 7) {
        AttendArgs alone = a.args;
        alone.q = a.args.q.rows_from(r, 1);
        alone.lengths = &a.lengths[static_cast<size_t>(r)];
        States one(1, a.rank);
        set().attend(alone, 0, ceil_div(*alone.lengths, kAttendPart), one.view);
        EXPECT_EQ(std::memcmp(one.out.data(), &all.out[static_cast<size_t>(r * a.rank)],
                              one.out.size() * sizeof(float)),
                  0)
            << dtype_name(dtype) << " row " << r << " of " << rows << ", rank " << rank;
        EXPECT_EQ(one.total[0], all.total[static_cast<size_t>(r)]);
      }
    }
  }
}

TEST_P(Ops, MergeWithNothingChangesNothing) {
  for (int64_t rank : {1, 8, 19, 64}) {
    States some(2, rank), nothing(2, rank), swapped(2, rank);
    fill_normal(some.out, rng_);
    some.top = {1.5f, -3.0f};
    some.total = {2.0f, 5.0f};
    std::fill(nothing.out.begin(), nothing.out.end(), 0.0f);
    nothing.top = {-kInfinity, -kInfinity};
    nothing.total = {0, 0};
    swapped.out = nothing.out;
    swapped.top = nothing.top;
    swapped.total = nothing.total;
    swapped.view = {{swapped.out.data(), 2, rank}, swapped.top.data(), swapped.total.data()};
    const std::vector<float> before = some.out;
    set().merge(some.view, nothing.view);
    EXPECT_EQ(some.out, before);
    EXPECT_EQ(some.total[1], 5.0f);
    set().merge(swapped.view, some.view);
    EXPECT_EQ(swapped.out, before);
    EXPECT_EQ(swapped.top[0], 1.5f);
    set().merge(nothing.view, nothing.view);
    EXPECT_EQ(nothing.total[0], 0.0f);
    EXPECT_EQ(nothing.top[0], -kInfinity);
  }
}

INSTANTIATE_TEST_SUITE_P(Sets, Ops, testing::ValuesIn(runnable_kernels()),
                         [](const auto& info) { return std::string(info.param->name); });

}  // namespace
}  // namespace fathom
