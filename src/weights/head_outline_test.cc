#include "weights/head_outline.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "kernels/activations.h"
#include "kernels/testing/operands.h"

namespace fathom {
namespace {

constexpr int64_t kVocab = 333, kHidden = 400;  // a panel and a block that are not whole

// A head in which some rows are as awkward as they come.
std::vector<float> awkward_rows() {
  Rng rng(3);
  std::vector<float> values(kVocab * kHidden);
  fill_normal(values, rng, 0.02f);
  const auto row = [&](int64_t r) { return std::span(values).subspan(r * kHidden, kHidden); };
  for (float& x : row(0)) x = 0;
  for (float& x : row(1)) x = 0.004f;  // one step below half of the largest
  row(1)[7] = 1.0f;                    // that there is
  for (float& x : row(2)) x *= 1e6f;
  for (float& x : row(3)) x *= 1e-24f;
  for (float& x : row(4)) x *= 1e-36f;  // less than what is rounded
  for (float& x : row(5)) x = std::abs(x);
  for (int64_t i = 0; i < kHidden; ++i) row(6)[i] = i % 128 == 0 ? 1.0f : 1e-3f;
  return values;
}

struct Outlined {
  explicit Outlined(const std::vector<float>& values, DType dtype) : rows(values.size() * 4) {
    for (size_t i = 0; i < values.size(); ++i) {
      if (dtype == DType::kBF16) {
        rows.as<uint16_t>()[i] = f32_to_bf16(values[i]);
      } else {
        rows.as<float>()[i] = values[i];
      }
    }
    head.data = rows.data();
    head.dtype = dtype;
    head.rows = kVocab;
    head.cols = kHidden;
    memory = Buffer(outline_bytes(head));
    OutlineBuilder builder(head, memory.data());
    for (int64_t p = 0; p < ceil_div(kVocab, kPanelRows); ++p) builder.add_panel(p);
    outline = builder.outline();
  }

  Buffer rows, memory;
  WeightView head;
  HeadOutline outline;
};

double length(std::span<const float> x) {
  double sum = 0;
  for (const float v : x) sum += double{v} * v;
  return std::sqrt(sum);
}

TEST(HeadOutline, EveryLogitIsWithinItsMargin) {
  const std::vector<float> values = awkward_rows();
  Rng rng(4);
  for (const DType dtype : {DType::kBF16, DType::kF32}) {
    const Outlined made(values, dtype);
    for (int round = 0; round < 6; ++round) {
      std::vector<float> x(kHidden), lost(kHidden), estimate(kVocab), exact(kVocab), margin(kVocab);
      fill_normal(x, rng, round == 1 ? 1e-3f : 1.0f);
      if (round == 2) x[5] = 1000;
      if (round == 3) std::ranges::fill(x, 0.0f);
      // Where what rounding takes of x goes the way of a row.
      if (round == 4) std::copy_n(values.begin() + 10 * kHidden, kHidden, x.begin());
      for (const Kernels* kernels : runnable_kernels()) {
        SCOPED_TRACE(testing::Message() << kernels->name << " round " << round);
        for (float& v : x) v = bf16_to_f32(f32_to_bf16(v));  // so that no numerics round it
        const Mat<const float> row{x.data(), 1, kHidden};
        ActivationBuffer codes_memory, memory;
        const Activations codes = codes_memory.prepare(*kernels, Numerics::kInt8, row);
        kernels->linear(codes, made.outline.codes, 0, kVocab, {estimate.data(), 1, kVocab});
        for (int64_t i = 0; i < kHidden; ++i) {
          const int64_t block = i / kScaleBlock;
          lost[i] = x[i] - static_cast<float>(codes.int8.at(0, block)[i % kScaleBlock]) *
                               codes.int8.scale(0, block).scale;
        }
        bound_estimates(made.outline, length(x), length(lost) * (1 + 1e-6), margin);
        for (const Numerics numerics : {Numerics::kNative, Numerics::kExact}) {
          const Activations whole = memory.prepare(*kernels, numerics, row);
          kernels->linear(whole, made.head, 0, kVocab, {exact.data(), 1, kVocab});
          for (int64_t v = 0; v < kVocab; ++v) {
            EXPECT_LE(std::abs(double{exact[v]} - estimate[v]), margin[v]) << "row " << v;
            const auto weights = std::span(values).subspan(v * kHidden, kHidden);
            if (v < 7) continue;
            EXPECT_LE(margin[v], 0.02 * length(x) * length(weights) + 1e-20) << "row " << v;
          }
        }
      }
    }
  }
}

TEST(HeadOutline, NothingIsKnownOfWhatIsNotFinite) {
  std::vector<float> values = awkward_rows();
  values[20 * kHidden + 3] = kNan;
  values[21 * kHidden + 300] = kInfinity;
  const Outlined made(values, DType::kBF16);
  std::vector<float> margin(kVocab);
  bound_estimates(made.outline, 10, 0.1, margin);
  for (int64_t v = 0; v < kVocab; ++v) {
    EXPECT_EQ(std::isfinite(margin[v]), v != 20 && v != 21) << v;
  }
  bound_estimates(made.outline, kNan, kNan, margin);
  for (const float m : margin) EXPECT_TRUE(std::isnan(m));
}

}  // namespace
}  // namespace fathom
