// Every operation of every set against its definition in ref: odd sizes, partial blocks, NaN and
// infinity, memory that ends where the operands end. Bounds come from the formats' epsilons.
#include "kernels/ops.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <memory>

#include "base/rng.h"
#include "kernels/activations.h"
#include "kernels/ref/weight_row.h"
#include "tensor/float_formats.h"

namespace fathom {
namespace {

constexpr double kEpsilon = 0x1p-24;     // half a unit in the last place of F32
constexpr double kEpsilonBf16 = 0x1p-9;  // of BF16
constexpr double kTiny = 1e-36;          // products that flush to zero
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// An array whose end is the end of what this process may touch.
template <typename T>
class Guarded {
 public:
  explicit Guarded(size_t count, T fill = T{}) : count_(count) {
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t body = (count * sizeof(T) + page - 1) / page * page;
    bytes_ = body + page;
    base_ = static_cast<std::byte*>(
        mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(base_ + body, page, PROT_NONE);
    data_ = reinterpret_cast<T*>(base_ + body - count * sizeof(T));
    std::fill_n(data_, count, fill);
  }
  ~Guarded() { munmap(base_, bytes_); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  T* data() { return data_; }
  T& operator[](size_t i) { return data_[i]; }
  std::span<T> span() { return {data_, count_}; }

 private:
  size_t count_, bytes_;
  std::byte* base_;
  T* data_;
};

void fill_normal(std::span<float> x, Rng& rng, float scale = 1) {
  for (float& v : x) v = static_cast<float>(rng.normal()) * scale;
}

/// A weight matrix with random values, its last byte before a guard page.
struct Matrix {
  Matrix(DType dtype, int64_t rows, int64_t cols, uint64_t seed)
      : bytes(static_cast<size_t>(rows * cols) * dtype_size(dtype)),
        scales(static_cast<size_t>(ceil_div(rows, kScaleBlock) * ceil_div(cols, kScaleBlock))) {
    Rng rng(seed);
    for (size_t i = 0; i < static_cast<size_t>(rows * cols); ++i) {
      const auto value = static_cast<float>(rng.normal());
      const uint16_t bf16 = f32_to_bf16(value);
      // All codes but NaN come up, subnormals among them.
      auto code = static_cast<uint8_t>(rng.below(256));
      if ((code & 0x7F) == 0x7F) code = 0x01;
      switch (dtype) {
        case DType::kF8E4M3:
          bytes[i] = std::byte{code};
          break;
        case DType::kBF16:
          std::memcpy(&bytes[i * 2], &bf16, 2);
          break;
        default:
          std::memcpy(&bytes[i * 4], &value, 4);
      }
    }
    for (float& s : scales.span()) s = static_cast<float>(0.5 + rng.uniform()) * 0x1p-8f;
    view = {bytes.data(), dtype, rows, cols, dtype == DType::kF8E4M3 ? scales.data() : nullptr};
  }

  Guarded<std::byte> bytes;
  Guarded<float> scales;
  WeightView view;
};

/// The same matrix in panels, packed by `set`.
struct Panels {
  Panels(const Kernels& set, const WeightView& w)
      : bytes(packed_bytes(w.rows, w.cols * static_cast<int64_t>(dtype_size(w.dtype)))), view(w) {
    const size_t panel = panel_bytes(w.cols * static_cast<int64_t>(dtype_size(w.dtype)));
    for (int64_t p = 0; p < ceil_div(w.rows, kPanelRows); ++p) {
      set.pack_panel(w, p, bytes.data() + static_cast<size_t>(p) * panel);
    }
    view.data = bytes.data();
    view.layout = WeightLayout::kPanels;
  }
  std::vector<std::byte> content() const { return {bytes.data(), bytes.data() + bytes.size()}; }

  Buffer bytes;
  WeightView view;
};

class Ops : public testing::TestWithParam<const Kernels*> {
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

TEST_P(Ops, LinearOfEverySizeTypeAndLayout) {
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

    // Panels hold the same values: the same bits.
    const Panels panels(set(), matrix.view);
    EXPECT_EQ(panels.content(), Panels(ref_kernels(), matrix.view).content());
    std::vector<float> again(want.size());
    set().linear(in, panels.view, 0, c.out, {again.data(), c.rows, c.out});
    EXPECT_EQ(std::memcmp(again.data(), got.data(), again.size() * sizeof(float)), 0);
  }
}

TEST_P(Ops, LinearOfOneRowIsThatOfMany) {
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

// Of one row or a few several panels are walked at once, and how many depends on the rows.
TEST_P(Ops, LinearOfAFewRowsOverManyPanels) {
  constexpr int64_t kIn = 306;
  for (DType dtype : {DType::kF8E4M3, DType::kBF16}) {
    for (const int64_t out : {180, 256, 449}) {
      const Matrix matrix(dtype, out, kIn, 4);
      const Panels panels(set(), matrix.view);
      for (int64_t rows = 1; rows <= 7; ++rows) {
        std::vector<float> x(static_cast<size_t>(rows * kIn));
        fill_normal(x, rng_);
        ActivationBuffer buffer;
        const Activations in = buffer.prepare(set(), Numerics::kNative, {x.data(), rows, kIn});
        std::vector<float> want(static_cast<size_t>(rows * out)), got(want.size());
        set().linear(in, matrix.view, 0, out, {want.data(), rows, out});
        set().linear(in, panels.view, 0, out, {got.data(), rows, out});
        ASSERT_EQ(std::memcmp(got.data(), want.data(), got.size() * sizeof(float)), 0)
            << dtype_name(dtype) << ", " << rows << " rows, " << out << " outputs";
      }
    }
  }
}

TEST_P(Ops, LinearWritesItsColumnsAlone) {
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

TEST_P(Ops, LinearCarriesNanAndInfinityWhereTheyBelong) {
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
      std::vector<float> want(kRows * kOut), got(kRows * kOut), few(kRows * kOut);
      ActivationBuffer buffer;
      const Activations in = buffer.prepare(set(), numerics, {x.data(), kRows, kIn});
      ref_kernels().linear(in, matrix.view, 0, kOut, {want.data(), kRows, kOut});
      set().linear(in, matrix.view, 0, kOut, {got.data(), kRows, kOut});
      for (int32_t r = 0; r < kRows; ++r) {
        Activations one = in;
        one.index = {&r, 1};
        set().linear(one, panels.view, 0, kOut, {few.data() + r * kOut, 1, kOut});
      }
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
TEST_P(Ops, LinearOfHugeAndTinyValues) {
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
    std::vector<float> want(kRows * kOut), got(kRows * kOut), few(kRows * kOut);
    ActivationBuffer buffer;
    const Activations in = buffer.prepare(set(), numerics, {x.data(), kRows, kIn});
    ref_kernels().linear(in, matrix.view, 0, kOut, {want.data(), kRows, kOut});
    set().linear(in, panels.view, 0, kOut, {got.data(), kRows, kOut});
    for (int32_t r = 0; r < kRows; ++r) {
      Activations one = in;
      one.index = {&r, 1};
      set().linear(one, panels.view, 0, kOut, {few.data() + r * kOut, 1, kOut});
    }
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
TEST_P(Ops, LinearAfterNanIsClean) {
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

TEST_P(Ops, AttentionOfARowIsItsOwn) {
  std::vector<int64_t> lengths(kAttendRows);
  for (size_t r = 0; r < lengths.size(); ++r) lengths[r] = 1 + static_cast<int64_t>(r) * 19;
  for (DType dtype : {DType::kBF16, DType::kF32}) {
    const Attention a(dtype, 130, 6, lengths, rng_);
    States all(kAttendRows, a.rank);
    set().attend(a.args, 0, a.parts(), all.view);
    for (int64_t r = 0; r < kAttendRows; r += 7) {
      AttendArgs alone = a.args;
      alone.q = a.args.q.rows_from(r, 1);
      alone.lengths = &a.lengths[static_cast<size_t>(r)];
      States one(1, a.rank);
      set().attend(alone, 0, ceil_div(*alone.lengths, kAttendPart), one.view);
      EXPECT_EQ(std::memcmp(one.out.data(), &all.out[static_cast<size_t>(r * a.rank)],
                            one.out.size() * sizeof(float)),
                0)
          << dtype_name(dtype) << " row " << r;
      EXPECT_EQ(one.total[0], all.total[static_cast<size_t>(r)]);
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
