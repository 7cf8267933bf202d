#include "train/optimizer.h"

#include <algorithm>
#include <cmath>

#include "base/rng.h"
#include "train/simd/table.h"

namespace fathom::train {
namespace {

constexpr int64_t kSlice = 1 << 15;

/// Elements first .. first + count of a parameter.
struct Slice {
  const Param* param;
  size_t index;  // of the parameter
  int64_t first, count;
  int64_t offset() const { return param->offset + first; }
};

std::vector<Slice> slices_of(const Layout& layout) {
  std::vector<Slice> slices;
  for (size_t i = 0; i < layout.params.size(); ++i) {
    const Param& p = layout.params[i];
    for (int64_t at = 0; at < p.size(); at += kSlice) {
      slices.push_back({&p, i, at, std::min(kSlice, p.size() - at)});
    }
  }
  return slices;
}

}  // namespace

Weights::Weights(const Layout& layout, int64_t experts, bool with_ema)
    : params(static_cast<size_t>(layout.size) * 4),
      m(static_cast<size_t>(layout.size) * 2),
      v(static_cast<size_t>(layout.size) * 2),
      bias(layout.moe_layers.size() * static_cast<size_t>(experts), 0.0f) {
  if (with_ema) ema = Buffer(static_cast<size_t>(layout.size) * 4);
}

void Weights::initialize(const Layout& layout, double std, double embedding_std, uint64_t seed) {
  float* p = params.as<float>();
  for (const Param& param : layout.params) {
    Rng rng(splitmix64(seed) ^ splitmix64(static_cast<uint64_t>(param.offset)));
    const double deviation = param.name == "model.embed_tokens.weight" ? embedding_std : std;
    for (int64_t i = 0; i < param.size(); ++i) {
      p[param.offset + i] =
          param.kind == ParamKind::kNorm ? 1.0f : static_cast<float>(deviation * rng.normal());
    }
  }
  if (ema.size() > 0) std::copy_n(p, layout.size, ema.as<float>());
}

std::vector<double> gradient_squares(ThreadPool& pool, const Layout& layout, const float* grads) {
  const std::vector<Slice> slices = slices_of(layout);
  std::vector<double> of_slice(slices.size()), of_param(layout.params.size(), 0.0);
  pool.run(static_cast<int64_t>(slices.size()), [&](int64_t i, int) {
    of_slice[i] = table().sum_squares(grads + slices[i].offset(), slices[i].count);
  });
  for (size_t i = 0; i < slices.size(); ++i) of_param[slices[i].index] += of_slice[i];
  return of_param;
}

void adamw(ThreadPool& pool, const Layout& layout, const OptimizerSettings& settings, double lr,
           int64_t step, double grad_scale, const float* grads, Weights& weights) {
  const std::vector<Slice> slices = slices_of(layout);
  const double t = static_cast<double>(step + 1);
  AdamSlice base{};
  base.grad_scale = static_cast<float>(grad_scale);
  base.lr = static_cast<float>(lr);
  base.beta1 = static_cast<float>(settings.beta1);
  base.beta2 = static_cast<float>(settings.beta2);
  base.eps = static_cast<float>(settings.eps);
  base.correct1 = static_cast<float>(1 / (1 - std::pow(settings.beta1, t)));
  base.correct2 = static_cast<float>(1 / (1 - std::pow(settings.beta2, t)));
  // A young average would be dominated by the initial values: its memory grows with the run.
  base.ema_decay = static_cast<float>(std::min(settings.ema, t / (t + 9)));
  pool.run(static_cast<int64_t>(slices.size()), [&](int64_t i, int) {
    const Slice& slice = slices[i];
    AdamSlice s = base;
    const int64_t at = slice.offset();
    s.p = weights.params.as<float>() + at;
    s.g = grads + at;
    s.m = weights.m.as<uint16_t>() + at;
    s.v = weights.v.as<uint16_t>() + at;
    s.ema = weights.ema.size() > 0 ? weights.ema.as<float>() + at : nullptr;
    s.n = slice.count;
    const bool decay = slice.param->kind != ParamKind::kNorm;
    s.weight_decay = decay ? static_cast<float>(settings.weight_decay) : 0.0f;
    s.dither = settings.rounding_seed == 0
                   ? 0
                   : splitmix64(splitmix64(settings.rounding_seed + static_cast<uint64_t>(step)) ^
                                static_cast<uint64_t>(slice.param->place + slice.first)) |
                         1u;
    table().adam(s);
  });
}

void update_bias(const std::vector<int64_t>& load, int64_t experts, double gamma,
                 std::vector<float>& bias) {
  for (size_t first = 0; first < load.size(); first += experts) {
    int64_t total = 0;
    for (int64_t e = 0; e < experts; ++e) total += load[first + e];
    for (int64_t e = 0; e < experts; ++e) {
      const int64_t excess = load[first + e] * experts - total;
      if (excess > 0) bias[first + e] -= static_cast<float>(gamma);
      if (excess < 0) bias[first + e] += static_cast<float>(gamma);
    }
  }
}

std::vector<double> max_violation(const std::vector<int64_t>& load, int64_t experts) {
  std::vector<double> violation;
  for (size_t first = 0; first < load.size(); first += experts) {
    int64_t total = 0, top = 0;
    for (int64_t e = 0; e < experts; ++e) {
      total += load[first + e];
      top = std::max(top, load[first + e]);
    }
    violation.push_back(
        total == 0 ? 0 : static_cast<double>(top * experts) / static_cast<double>(total) - 1);
  }
  return violation;
}

}  // namespace fathom::train
