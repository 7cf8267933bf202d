// Passes over one row of logits, vectorised for AVX2. NaNs are never chosen nor counted. Results
// are the same on every machine and depend on the arguments alone.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace fathom::engine {

struct Peak {
  float value = -std::numeric_limits<float>::infinity();
  int32_t id = -1;  ///< the lowest of the largest; -1 when every entry is -inf or NaN
};

Peak find_peak(std::span<const float> row);

/// Sum of exp((x - max) * scale), to about 1e-6 of itself; `max` is the row's.
double sum_exp(std::span<const float> row, float max, float scale);
/// The same, leaving the terms in `terms`, of the row's size.
double sum_exp(std::span<const float> row, float max, float scale, std::span<float> terms);

/// Appends the ids of the entries that are at least `floor`, in order.
void select_at_least(std::span<const float> row, float floor, std::vector<int32_t>& ids);

/// A value that at least `k` entries reach and not many more; -inf where the row is too short for
/// that. `scratch` is overwritten.
float bound_of_largest(std::span<const float> row, int64_t k, std::vector<float>& scratch);

/// x -> -inf where the bit of its id is 0. `words` has a bit for each entry.
void apply_mask(std::span<float> row, std::span<const uint64_t> words);

/// What is left of a row after top_k, top_p and min_p. All cut the tail of one order, the larger
/// logit first and among equals the lower id.
struct Cut {
  float floor = -std::numeric_limits<float>::infinity();
  int32_t last_id_at_floor = std::numeric_limits<int32_t>::max();

  bool keeps(float value, int32_t id) const {
    return value > floor || (value == floor && id <= last_id_at_floor);
  }
};

/// Where a draw's noise comes from: each id's is a function of the key and the id.
struct NoiseKey {
  uint32_t low = 0;
  uint32_t high = 0;
};

/// Draws an id with probability proportional to exp(x * scale) among those that `cut` keeps: the
/// one whose x * scale plus Gumbel noise is largest. The noise has 2^-64 resolution.
/// `peak` is the row's. About as fast as reading the row: the noise is computed in full only for
/// the few that a cheap bound cannot rule out.
int32_t draw(std::span<const float> row, Peak peak, float scale, const Cut& cut, NoiseKey key);

// Of rows of which each entry is known to be within `margin` of `estimate`, and by some units in
// the last place of it more than that. Where the margin is NaN nothing is known.

/// Appends the ids, in order, that may be the peak.
void select_peaks(std::span<const float> estimate, std::span<const float> margin,
                  std::vector<int32_t>& ids);
/// Appends those that draw() may return where nothing is cut.
void select_draws(std::span<const float> estimate, std::span<const float> margin, float scale,
                  NoiseKey key, std::vector<int32_t>& ids);

}  // namespace fathom::engine
