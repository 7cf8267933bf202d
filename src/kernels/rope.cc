#include "kernels/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace fathom {
namespace {

double yarn_magnitude(double factor, double mscale) {
  return factor <= 1 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0;
}

// The dimension (as a real number) whose wave turns `rotations` times within the original context.
double correction_dim(double rotations, int64_t dim, double theta, double positions) {
  return static_cast<double>(dim) * std::log(positions / (rotations * 2 * std::numbers::pi)) /
         (2 * std::log(theta));
}

}  // namespace

std::vector<double> rope_frequencies(int64_t dim, double theta,
                                     const std::optional<YarnParams>& yarn) {
  std::vector<double> result(static_cast<size_t>(dim / 2));
  for (size_t i = 0; i < result.size(); ++i) {
    result[i] = std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(dim));
  }
  if (!yarn) return result;

  const double positions = yarn->original_max_positions;
  const double low =
      std::max(std::floor(correction_dim(yarn->beta_fast, dim, theta, positions)), 0.0);
  double high = std::min(std::ceil(correction_dim(yarn->beta_slow, dim, theta, positions)),
                         static_cast<double>(dim - 1));
  if (low == high) high += 0.001;
  for (size_t i = 0; i < result.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    result[i] = result[i] / yarn->factor * ramp + result[i] * (1 - ramp);
  }
  return result;
}

double rope_magnitude(const std::optional<YarnParams>& yarn) {
  if (!yarn) return 1.0;
  return yarn_magnitude(yarn->factor, yarn->mscale) /
         yarn_magnitude(yarn->factor, yarn->mscale_all_dim);
}

double attention_softmax_scale(int64_t qk_head_dim, const std::optional<YarnParams>& yarn) {
  const double scale = 1.0 / std::sqrt(static_cast<double>(qk_head_dim));
  if (!yarn) return scale;
  const double m = yarn_magnitude(yarn->factor, yarn->mscale_all_dim);
  return scale * m * m;
}

}  // namespace fathom
