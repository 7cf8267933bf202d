// How sure a score is, and whether two scores differ.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace fathom::eval {

struct Interval {
  double low = 0, high = 0;
};

/// Wilson's score interval at 95% for `successes` of `trials`; [0, 1] for no trials.
Interval wilson_interval(int64_t successes, int64_t trials);

/// The mean's 95% percentile interval over 2,000 resamples of the values. Samples of one item must
/// have been averaged before: what is drawn anew are items. [0, 1] for no values.
Interval bootstrap_interval(std::span<const double> values, uint64_t seed);

/// McNemar's exact test, two-sided: `only_a` items that A alone gets right, `only_b` that B alone
/// does. The p-value is 1 where neither is any.
double mcnemar_exact(int64_t only_a, int64_t only_b);

struct PairedDifference {
  double mean = 0;     ///< of b - a
  Interval interval;   ///< 95%, over resampled items
  double p_value = 1;  ///< two-sided, of a mean of 0, by flipping signs at random
};

/// Of pairs of scores on the same items. 10,000 draws.
PairedDifference paired_difference(std::span<const std::pair<double, double>> scores,
                                   uint64_t seed);

}  // namespace fathom::eval
