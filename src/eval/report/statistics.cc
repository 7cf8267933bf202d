#include "eval/report/statistics.h"

#include <algorithm>
#include <cmath>

#include "base/rng.h"

namespace fathom::eval {
namespace {

constexpr double kZ = 1.959963984540054;  // the normal quantile at 97.5%

double mean(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

Interval percentiles(std::vector<double> means) {
  std::sort(means.begin(), means.end());
  const double last = static_cast<double>(means.size() - 1);
  return {means[static_cast<size_t>(std::lround(0.025 * last))],
          means[static_cast<size_t>(std::lround(0.975 * last))]};
}

Interval resampled(std::span<const double> values, int draws, Rng& rng) {
  std::vector<double> means(static_cast<size_t>(draws));
  for (double& one : means) {
    double sum = 0;
    for (size_t i = 0; i < values.size(); ++i) sum += values[rng.below(values.size())];
    one = sum / static_cast<double>(values.size());
  }
  return percentiles(std::move(means));
}

double log_choose(int64_t n, int64_t k) {
  return std::lgamma(static_cast<double>(n + 1)) - std::lgamma(static_cast<double>(k + 1)) -
         std::lgamma(static_cast<double>(n - k + 1));
}

}  // namespace

Interval wilson_interval(int64_t successes, int64_t trials) {
  if (trials == 0) return {0, 1};
  const double n = static_cast<double>(trials), p = static_cast<double>(successes) / n;
  const double z2 = kZ * kZ;
  const double center = (p + z2 / (2 * n)) / (1 + z2 / n);
  const double half = kZ / (1 + z2 / n) * std::sqrt(p * (1 - p) / n + z2 / (4 * n * n));
  return {std::max(0.0, center - half), std::min(1.0, center + half)};
}

Interval bootstrap_interval(std::span<const double> values, uint64_t seed) {
  if (values.empty()) return {0, 1};
  Rng rng(seed);
  return resampled(values, 2000, rng);
}

double mcnemar_exact(int64_t only_a, int64_t only_b) {
  const int64_t n = only_a + only_b;
  double tail = 0;
  for (int64_t k = 0; k <= std::min(only_a, only_b); ++k) {
    tail += std::exp(log_choose(n, k) - static_cast<double>(n) * std::log(2.0));
  }
  return std::min(1.0, 2 * tail);
}

PairedDifference paired_difference(std::span<const std::pair<double, double>> scores,
                                   uint64_t seed) {
  PairedDifference result;
  if (scores.empty()) return result;
  constexpr int kDraws = 10000;
  std::vector<double> differences;
  for (const auto& [a, b] : scores) differences.push_back(b - a);
  result.mean = mean(differences);
  Rng rng(seed);
  result.interval = resampled(differences, kDraws, rng);
  int as_extreme = 0;
  for (int draw = 0; draw < kDraws; ++draw) {
    double sum = 0;
    for (const double difference : differences) {
      sum += (rng.next() >> 63) != 0 ? difference : -difference;
    }
    // A hair below, so that rounding does not tell equal sums apart.
    as_extreme +=
        std::abs(sum) / static_cast<double>(differences.size()) >= std::abs(result.mean) - 1e-12;
  }
  result.p_value = static_cast<double>(as_extreme + 1) / (kDraws + 1);
  return result;
}

}  // namespace fathom::eval
