// The definition of each operation: plain loops, double accumulators.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/ops.h"
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
void read_activations(const Activations& x, bool quantized, int64_t row, int64_t begin,
                      int64_t count, double* out) {
  for (int64_t k = 0; k < count; ++k) {
    if (quantized) {
      out[k] = e4m3_to_f32(x.codes.row(row)[begin + k]);
    } else if (x.numerics == Numerics::kNative) {
      out[k] = bf16_to_f32(x.bf16.row(row)[begin + k]);
    } else {
      out[k] = x.f32.row(row)[begin + k];
    }
  }
}

void linear(const Activations& x, const WeightView& w, int64_t first, int64_t last, Mat<float> y) {
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
      read_activations(x, quantized, r, begin, count, activations);
      const double x_scale = quantized ? x.scales.row(r)[begin / kScaleBlock] : 1.0;
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

void linear_transposed(std::span<const float> x, const WeightView& w, int64_t first_row,
                       std::span<float> y) {
  for (size_t c = 0; c < y.size(); ++c) {
    const auto col = static_cast<int64_t>(c);
    double sum = 0;
    for (size_t r = 0; r < x.size(); ++r) {
      const int64_t row = first_row + static_cast<int64_t>(r);
      sum += x[r] * raw_weight(w, row, col) * weight_scale(w, row, col);
    }
    y[c] = static_cast<float>(sum);
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

constexpr int64_t kPage = kCachePage;

void attend_head(const AttendArgs& args, int64_t head) {
  const int64_t latent = args.q.cols;
  const float* q = args.q.row(head);
  double top = -std::numeric_limits<double>::infinity();
  double total = 0;
  std::vector<double> out(static_cast<size_t>(args.kv_lora_rank), 0.0);

  for (int64_t begin = 0; begin < args.length; begin += kPage) {
    const int64_t count = std::min(kPage, args.length - begin);
    const std::byte* block = args.pages[static_cast<size_t>(begin / kPage)] + args.layer_offset;
    double score[kPage];
    double page_top = top;
    for (int64_t t = 0; t < count; ++t) {
      double dot = 0;
      for (int64_t i = 0; i < latent; ++i) {
        dot += q[i] * cached(block, args.cache_dtype, t * latent + i);
      }
      score[t] = dot * args.softmax_scale;
      page_top = std::max(page_top, score[t]);
    }
    const double shrink = std::exp(top - page_top);
    total *= shrink;
    for (double& v : out) v *= shrink;
    for (int64_t t = 0; t < count; ++t) {
      const double p = std::exp(score[t] - page_top);
      total += p;
      for (size_t i = 0; i < out.size(); ++i) {
        out[i] += p * cached(block, args.cache_dtype, t * latent + static_cast<int64_t>(i));
      }
    }
    top = page_top;
  }
  for (size_t i = 0; i < out.size(); ++i)
    args.out.row(head)[i] = static_cast<float>(out[i] / total);
}

void attend(const AttendArgs& args, int64_t first, int64_t last) {
  for (int64_t head = first; head < last; ++head) attend_head(args, head);
}

constexpr Kernels kRef = {"ref",    round_bf16, quantize_e4m3, linear, linear_transposed,
                          rms_norm, swiglu,     rope,          attend};

}  // namespace

const Kernels& ref_kernels() { return kRef; }

}  // namespace fathom
