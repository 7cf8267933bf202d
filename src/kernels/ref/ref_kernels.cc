// The definition of each operation: plain loops, double accumulators.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "kernels/ops.h"
#include "kernels/ref/int8.h"
#include "kernels/ref/weight_row.h"
#include "tensor/float_formats.h"

namespace fathom {
namespace {

void round_bf16(std::span<const float> x, uint16_t* out) {
  for (size_t i = 0; i < x.size(); ++i) out[i] = f32_to_bf16(x[i]);
}

// The published act_quant: a block's scale is max(|x|, 1e-4) / 448 in F32.
void quantize_e4m3(std::span<const float> x, uint8_t* codes, float* scales) {
  const auto block = static_cast<size_t>(kScaleBlock);
  for (size_t begin = 0; begin < x.size(); begin += block) {
    const size_t end = std::min(begin + block, x.size());
    float top = 1e-4f;
    for (size_t i = begin; i < end; ++i) top = std::max(top, std::abs(x[i]));
    const float scale = top / 448.0f;
    scales[begin / block] = scale;
    for (size_t i = begin; i < end; ++i) codes[i] = f32_to_e4m3(x[i] / scale);
  }
}

// Activations of one row as their numerics give them to a product, their own scales apart.
void read_activations(const Activations& x, DType weights, int64_t row, int64_t begin,
                      int64_t count, double* out) {
  const bool quantized = x.numerics == Numerics::kW8A8 && weights == DType::kF8E4M3;
  if (!x.index.empty()) row = x.index[static_cast<size_t>(row)];
  for (int64_t k = 0; k < count; ++k) {
    if (quantized) {
      out[k] = e4m3_to_f32(x.codes.row(row)[begin + k]);
    } else if (x.numerics == Numerics::kNative && weights != DType::kF32) {
      out[k] = bf16_to_f32(x.bf16.at(row, begin / kScaleBlock)[k]);
    } else {
      out[k] = x.f32.row(row)[begin + k];
    }
  }
}

void linear(const Activations& x, const WeightView& w, int64_t first, int64_t last, Mat<float> y) {
  if (w.dtype == DType::kI8) return ref::int8_linear(x, w, first, last, y);
  const bool quantized = x.numerics == Numerics::kW8A8 && w.dtype == DType::kF8E4M3;
  std::vector<double> sums(static_cast<size_t>(x.rows() * (last - first)), 0.0);
  double activations[kScaleBlock];
  std::vector<double> weights(static_cast<size_t>((last - first) * kScaleBlock));
  for (int64_t begin = 0; begin < w.cols; begin += kScaleBlock) {
    const int64_t count = std::min(kScaleBlock, w.cols - begin);
    for (int64_t n = first; n < last; ++n) {
      double* row = &weights[static_cast<size_t>((n - first) * kScaleBlock)];
      for (int64_t k = 0; k < count; ++k) row[k] = raw_weight(w, n, begin + k);
    }
    for (int64_t r = 0; r < x.rows(); ++r) {
      read_activations(x, w.dtype, r, begin, count, activations);
      const double x_scale =
          quantized
              ? x.scales.row(x.index.empty() ? r
                                             : x.index[static_cast<size_t>(r)])[begin / kScaleBlock]
              : 1.0;
      for (int64_t n = first; n < last; ++n) {
        const double* row = &weights[static_cast<size_t>((n - first) * kScaleBlock)];
        double block = 0;
        for (int64_t k = 0; k < count; ++k) block += activations[k] * row[k];
        sums[static_cast<size_t>(r * (last - first) + n - first)] +=
            block * x_scale * weight_scale(w, n, begin);
      }
    }
  }
  for (int64_t r = 0; r < x.rows(); ++r) {
    for (int64_t n = first; n < last; ++n) {
      y.row(r)[n - first] =
          static_cast<float>(sums[static_cast<size_t>(r * (last - first) + n - first)]);
    }
  }
}

void pack_panel(const WeightView& w, int64_t panel, std::byte* out) {
  FATHOM_CHECK(is_panel_place(out));
  const size_t element = dtype_size(w.dtype);
  const int64_t first = panel * kPanelRows;
  std::memset(out, 0, panel_bytes(w.cols * static_cast<int64_t>(element)));
  for (int64_t row = 0; row < std::min(kPanelRows, w.rows - first); ++row) {
    for (int64_t col = 0; col < w.cols; ++col) {
      const auto from = static_cast<size_t>((first + row) * w.cols + col) * element;
      const auto to = static_cast<size_t>(panel_index(w, row, col)) * element;
      std::memcpy(out + to, static_cast<const std::byte*>(w.data) + from, element);
    }
  }
}

void rms_norm(std::span<const float> x, std::span<const float> weight, float eps, float* y) {
  double square = 0;
  for (float v : x) square += static_cast<double>(v) * v;
  const double scale = 1.0 / std::sqrt(square / static_cast<double>(x.size()) + eps);
  for (size_t i = 0; i < x.size(); ++i) y[i] = static_cast<float>(x[i] * scale * weight[i]);
}

void swiglu(std::span<const float> gate, std::span<const float> up, float* y) {
  for (size_t i = 0; i < gate.size(); ++i) {
    const double g = gate[i];
    y[i] = static_cast<float>(g / (1.0 + std::exp(-g)) * up[i]);
  }
}

void rope(std::span<float> x, std::span<const float> cos, std::span<const float> sin) {
  for (size_t i = 0; i < x.size() / 2; ++i) {
    const double a = x[2 * i], b = x[2 * i + 1];
    x[2 * i] = static_cast<float>(a * cos[i] - b * sin[i]);
    x[2 * i + 1] = static_cast<float>(a * sin[i] + b * cos[i]);
  }
}

double cached(const std::byte* block, DType dtype, int64_t index) {
  if (dtype == DType::kBF16) return bf16_to_f32(reinterpret_cast<const uint16_t*>(block)[index]);
  return reinterpret_cast<const float*>(block)[index];
}

constexpr double kNothing = -std::numeric_limits<double>::infinity();

// exp(score - top), for a top that may be that of an empty range.
double relative_exp(double score, double top) {
  return score == kNothing ? 0 : std::exp(score - top);
}

// One row over positions [begin, end) of one part.
void attend_row(const AttendArgs& args, int64_t row, int64_t begin, int64_t end,
                const AttendState& state) {
  const float* q = args.q.row(row);
  const auto entry = [&](int64_t position) {
    return args.pages[static_cast<size_t>(position / kCachePage)] + args.layer_offset +
           static_cast<size_t>(position % kCachePage * args.latent_stride) *
               dtype_size(args.cache_dtype);
  };
  std::vector<double> score;
  double top = kNothing;
  for (int64_t t = begin; t < end; ++t) {
    double dot = 0;
    for (int64_t i = 0; i < args.q.cols; ++i) dot += q[i] * cached(entry(t), args.cache_dtype, i);
    score.push_back(dot * args.softmax_scale);
    top = std::max(top, score.back());
  }
  double total = 0;
  std::vector<double> out(static_cast<size_t>(args.kv_lora_rank), 0.0);
  for (int64_t t = begin; t < end; ++t) {
    const double p = relative_exp(score[static_cast<size_t>(t - begin)], top);
    total += p;
    for (size_t i = 0; i < out.size(); ++i) {
      out[i] += p * cached(entry(t), args.cache_dtype, static_cast<int64_t>(i));
    }
  }
  state.top[row] = static_cast<float>(top);
  state.total[row] = static_cast<float>(total);
  for (size_t i = 0; i < out.size(); ++i) state.out.row(row)[i] = static_cast<float>(out[i]);
}

void merge(const AttendState& earlier, const AttendState& later) {
  for (int64_t row = 0; row < earlier.out.rows; ++row) {
    const double top = std::max(earlier.top[row], later.top[row]);
    const double a = relative_exp(earlier.top[row], top), b = relative_exp(later.top[row], top);
    earlier.top[row] = static_cast<float>(top);
    earlier.total[row] = static_cast<float>(earlier.total[row] * a + later.total[row] * b);
    for (int64_t i = 0; i < earlier.out.cols; ++i) {
      float& out = earlier.out.row(row)[i];
      out = static_cast<float>(out * a + later.out.row(row)[i] * b);
    }
  }
}

void attend(const AttendArgs& args, int64_t first, int64_t last, const AttendState& state) {
  const int64_t rows = args.q.rows;
  std::vector<float> out(static_cast<size_t>(rows * args.kv_lora_rank));
  std::vector<float> top(static_cast<size_t>(rows)), total(static_cast<size_t>(rows));
  const AttendState part{{out.data(), rows, args.kv_lora_rank}, top.data(), total.data()};
  for (int64_t p = first; p < last; ++p) {
    const int64_t begin = p * kAttendPart;
    for (int64_t row = 0; row < rows; ++row) {
      const int64_t end = std::min(args.lengths[row], begin + kAttendPart);
      attend_row(args, row, begin, std::max(begin, end), p == first ? state : part);
    }
    if (p != first) merge(state, part);
  }
}

constexpr Kernels kRef = {"ref",  round_bf16, quantize_e4m3, ref::quantize_int8,
                          linear, pack_panel, rms_norm,      swiglu,
                          rope,   attend,     merge};

}  // namespace

const Kernels& ref_kernels() { return kRef; }

}  // namespace fathom
