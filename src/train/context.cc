#include "train/context.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "train/ops.h"

namespace fathom::train {
namespace {

constexpr int64_t kBlock = 64;

/// Rotary frequencies, stretched by YaRN where the configuration says so: ramp from the dimension
/// that turns beta_fast times within the original context to the one that turns beta_slow times.
std::vector<double> rope_frequencies(const ModelConfig& c) {
  const int64_t half = c.qk_rope_head_dim / 2;
  std::vector<double> f(static_cast<size_t>(half));
  for (int64_t i = 0; i < half; ++i) {
    f[i] = std::pow(c.rope_theta, -2.0 * static_cast<double>(i) / c.qk_rope_head_dim);
  }
  if (!c.yarn || c.max_position_embeddings <= c.yarn->original_max_position_embeddings) return f;
  const YarnConfig& y = *c.yarn;
  const auto dimension = [&](double turns) {
    return c.qk_rope_head_dim *
           std::log(y.original_max_position_embeddings / (turns * 2 * std::numbers::pi)) /
           (2 * std::log(c.rope_theta));
  };
  const double low = std::max(std::floor(dimension(y.beta_fast)), 0.0);
  double high = std::min(std::ceil(dimension(y.beta_slow)), c.qk_rope_head_dim - 1.0);
  if (high == low) high += 0.001;
  for (int64_t i = 0; i < half; ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    f[i] = f[i] / y.factor * ramp + f[i] * (1 - ramp);
  }
  return f;
}

}  // namespace

template <typename T>
void Context<T>::prepare_rope() {
  const std::vector<double> f = rope_frequencies(config);
  cosine.resize(seq * f.size());
  sine.resize(seq * f.size());
  for (int64_t t = 0; t < seq; ++t) {
    for (size_t i = 0; i < f.size(); ++i) {
      cosine[t * f.size() + i] = static_cast<T>(std::cos(static_cast<double>(t) * f[i]));
      sine[t * f.size() + i] = static_cast<T>(std::sin(static_cast<double>(t) * f[i]));
    }
  }
  double scale = 1 / std::sqrt(static_cast<double>(config.qk_head_dim()));
  if (config.yarn &&
      config.max_position_embeddings > config.yarn->original_max_position_embeddings) {
    const double m = 0.1 * config.yarn->mscale_all_dim * std::log(config.yarn->factor) + 1;
    scale *= m * m;
  }
  softmax_scale = static_cast<T>(scale);
  scratch.resize(static_cast<size_t>(pool.threads()));
}

template <typename T>
void norm_rows(const Context<T>& c, const T* x, int64_t ld, int64_t offset, int64_t rows, int64_t n,
               T* y, T* inv) {
  c.pool.run(round_up(rows, kBlock) / kBlock, [&](int64_t block, int) {
    for (int64_t i = block * kBlock; i < std::min(rows, (block + 1) * kBlock); ++i) {
      rmsnorm(x + i * ld, c.params + offset, n, c.config.rms_norm_eps, y + i * n, inv + i);
    }
  });
}

template <typename T>
void norm_rows_back(Context<T>& c, const T* x, int64_t ld, int64_t offset, int64_t rows, int64_t n,
                    const T* dy, const T* inv, T* dx, int64_t lddx) {
  const int64_t blocks = round_up(rows, kBlock) / kBlock;
  std::vector<T> dw(static_cast<size_t>(blocks * n), T(0));
  c.pool.run(blocks, [&](int64_t block, int) {
    for (int64_t i = block * kBlock; i < std::min(rows, (block + 1) * kBlock); ++i) {
      rmsnorm_back(x + i * ld, c.params + offset, dy + i * n, inv[i], n, dx + i * lddx,
                   dw.data() + block * n);
    }
  });
  for (int64_t block = 0; block < blocks; ++block) {
    axpy(T(1), dw.data() + block * n, n, c.grads + offset);
  }
}

template struct Context<float>;
template struct Context<double>;
template void norm_rows(const Context<float>&, const float*, int64_t, int64_t, int64_t, int64_t,
                        float*, float*);
template void norm_rows(const Context<double>&, const double*, int64_t, int64_t, int64_t, int64_t,
                        double*, double*);
template void norm_rows_back(Context<float>&, const float*, int64_t, int64_t, int64_t, int64_t,
                             const float*, const float*, float*, int64_t);
template void norm_rows_back(Context<double>&, const double*, int64_t, int64_t, int64_t, int64_t,
                             const double*, const double*, double*, int64_t);

}  // namespace fathom::train
