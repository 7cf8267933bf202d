#include "engine/logit_scan.h"

#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>

#include "base/check.h"
#include "base/rng.h"

namespace fathom::engine {
namespace {

constexpr int64_t kLanes = 8;
constexpr float kNone = -std::numeric_limits<float>::infinity();

/// Eight entries of the row from the i-th on, past its end -inf.
inline __m256 load_lanes(std::span<const float> row, int64_t i) {
  const auto size = static_cast<int64_t>(row.size());
  if (i + kLanes <= size) return _mm256_loadu_ps(row.data() + i);
  alignas(32) float rest[kLanes];
  std::fill_n(rest, kLanes, kNone);
  std::copy(row.begin() + i, row.end(), rest);
  return _mm256_load_ps(rest);
}

/// Calls visit(first id, vector) over the row, the last vector filled up with -inf.
template <typename Visit>
inline void for_each_vector(std::span<const float> row, Visit visit) {
  const auto size = static_cast<int64_t>(row.size());
  for (int64_t i = 0; i < size; i += kLanes) visit(i, load_lanes(row, i));
}

/// Calls found(id) for the lanes of `mask`, the first of which is id `first`, that a row has.
template <typename Found>
inline void for_each_lane(__m256 mask, int64_t first, size_t size, Found found) {
  auto lanes = static_cast<uint32_t>(_mm256_movemask_ps(mask));
  for (; lanes != 0; lanes &= lanes - 1) {
    const int64_t id = first + std::countr_zero(lanes);
    if (id < static_cast<int64_t>(size)) found(static_cast<int32_t>(id));
  }
}

inline float largest_lane(__m256 x) {
  alignas(32) float lanes[kLanes];
  _mm256_store_ps(lanes, x);
  return *std::max_element(lanes, lanes + kLanes);
}

inline float sum_lanes(__m256 x) {
  alignas(32) float lanes[kLanes];
  _mm256_store_ps(lanes, x);
  return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) +
         ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

// exp for x <= 0, to 2 units in the last place; 0 below -87 and for NaN. 2^n from the exponent's
// bits times Taylor's polynomial of what remains, at most ln(2) / 2.
inline __m256 exp_of_negative(__m256 x) {
  constexpr float kLowest = -87.0f;
  const __m256 in_range = _mm256_cmp_ps(x, _mm256_set1_ps(kLowest), _CMP_GE_OQ);
  x = _mm256_and_ps(x, in_range);
  const __m256 n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504f)),
                                   _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  // ln(2) in two parts, the first exact in few bits.
  __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693145751953125f), x);
  r = _mm256_fnmadd_ps(n, _mm256_set1_ps(1.42860682e-6f), r);
  __m256 p = _mm256_set1_ps(1.0f / 5040);
  for (float c : {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f}) {
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(c));
  }
  const __m256i power =
      _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
  return _mm256_and_ps(_mm256_mul_ps(p, _mm256_castsi256_ps(power)), in_range);
}

template <bool kKeep>
double sum_exp_impl(std::span<const float> row, float max, float scale, float* terms) {
  constexpr int64_t kBlock = 64 * kLanes;  // summed in float, blocks in double
  double sum = 0;
  for (size_t first = 0; first < row.size(); first += kBlock) {
    const auto block = row.subspan(first, std::min<size_t>(kBlock, row.size() - first));
    __m256 total = _mm256_setzero_ps();
    for_each_vector(block, [&](int64_t i, __m256 x) {
      x = _mm256_mul_ps(_mm256_sub_ps(x, _mm256_set1_ps(max)), _mm256_set1_ps(scale));
      const __m256 e = exp_of_negative(x);
      if constexpr (kKeep) {
        alignas(32) float lanes[kLanes];
        _mm256_store_ps(lanes, e);
        const auto left = std::min<int64_t>(kLanes, static_cast<int64_t>(block.size()) - i);
        std::copy_n(lanes, left, terms + first + i);
      }
      total = _mm256_add_ps(total, e);
    });
    sum += sum_lanes(total);
  }
  return sum;
}

// 32 noise bits of an id: two rounds of multiply and shift, keyed before each.
constexpr uint32_t kIdStep = 0x9E3779B1u;
constexpr uint32_t kFirstFactor = 0x21F0AAADu;
constexpr uint32_t kSecondFactor = 0x735A2D97u;

inline uint32_t noise_bits(uint32_t id, NoiseKey key) {
  uint32_t x = id * kIdStep + key.low;
  x = (x ^ (x >> 16)) * kFirstFactor;
  x = ((x ^ (x >> 15)) + key.high) * kSecondFactor;
  return x ^ (x >> 15);
}

inline __m256i noise_bits(__m256i ids_times_step, NoiseKey key) {
  const auto set = [](uint32_t word) { return _mm256_set1_epi32(static_cast<int>(word)); };
  __m256i x = _mm256_add_epi32(ids_times_step, set(key.low));
  x = _mm256_mullo_epi32(_mm256_xor_si256(x, _mm256_srli_epi32(x, 16)), set(kFirstFactor));
  x = _mm256_add_epi32(_mm256_xor_si256(x, _mm256_srli_epi32(x, 15)), set(key.high));
  x = _mm256_mullo_epi32(x, set(kSecondFactor));
  return _mm256_xor_si256(x, _mm256_srli_epi32(x, 15));
}

// -ln of an exponential variate: w, the uniform, is the noise bits and 32 finer ones below them.
double gumbel(uint32_t id, NoiseKey key) {
  const uint64_t seed = (uint64_t{key.high} << 32 | key.low) + id;
  const double fine = (static_cast<double>(splitmix64(seed) >> 32) + 0.5) * 0x1p-32;
  const double w = (noise_bits(id, key) + fine) * 0x1p-32;
  return -std::log(-std::log1p(-w));
}

}  // namespace

Peak find_peak(std::span<const float> row) {
  // maxps gives its second operand when the first is NaN.
  __m256 max = _mm256_set1_ps(kNone);
  for_each_vector(row, [&](int64_t, __m256 x) { max = _mm256_max_ps(x, max); });
  const float value = largest_lane(max);
  if (value == kNone) return {};
  const auto size = static_cast<int64_t>(row.size());
  int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    const __m256 equal =
        _mm256_cmp_ps(_mm256_loadu_ps(row.data() + i), _mm256_set1_ps(value), _CMP_EQ_OQ);
    if (_mm256_movemask_ps(equal) != 0) break;
  }
  while (row[i] != value) ++i;
  return {value, static_cast<int32_t>(i)};
}

double sum_exp(std::span<const float> row, float max, float scale) {
  return sum_exp_impl<false>(row, max, scale, nullptr);
}

double sum_exp(std::span<const float> row, float max, float scale, std::span<float> terms) {
  FATHOM_CHECK(terms.size() == row.size());
  return sum_exp_impl<true>(row, max, scale, terms.data());
}

void select_at_least(std::span<const float> row, float floor, std::vector<int32_t>& ids) {
  for_each_vector(row, [&](int64_t i, __m256 x) {
    for_each_lane(_mm256_cmp_ps(x, _mm256_set1_ps(floor), _CMP_GE_OQ), i, row.size(),
                  [&](int32_t id) { ids.push_back(id); });
  });
}

// The k-th largest of the maxima of short blocks: k blocks have an entry that reaches it.
float bound_of_largest(std::span<const float> row, int64_t k, std::vector<float>& scratch) {
  constexpr size_t kBlock = 32;
  scratch.clear();
  for (size_t first = 0; first < row.size(); first += kBlock) {
    __m256 max = _mm256_set1_ps(kNone);
    for_each_vector(row.subspan(first, std::min(kBlock, row.size() - first)),
                    [&](int64_t, __m256 x) { max = _mm256_max_ps(x, max); });
    scratch.push_back(largest_lane(max));
  }
  if (k > static_cast<int64_t>(scratch.size())) return kNone;
  std::nth_element(scratch.begin(), scratch.begin() + (k - 1), scratch.end(), std::greater<>());
  return scratch[k - 1];
}

void apply_mask(std::span<float> row, std::span<const uint64_t> words) {
  FATHOM_CHECK(words.size() * 64 >= row.size());
  const auto size = static_cast<int64_t>(row.size());
  const __m256i lane_bits = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    const int bits = static_cast<int>(words[i / 64] >> (i % 64) & 0xFF);
    const __m256i set =
        _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(bits), lane_bits), lane_bits);
    const __m256 x = _mm256_loadu_ps(row.data() + i);
    _mm256_storeu_ps(row.data() + i,
                     _mm256_blendv_ps(_mm256_set1_ps(kNone), x, _mm256_castsi256_ps(set)));
  }
  for (; i < size; ++i) {
    if ((words[i / 64] >> (i % 64) & 1) == 0) row[i] = kNone;
  }
}

namespace {

// An id wins only if ln(-ln(1 - w)) < z - best, for noise w and z = (x - peak) * scale. As
// -ln(1 - w) >= w, and as a float's bits, read as an integer, are a lower bound of its logarithm
// (the mantissa m of 1 + m is at most log2(1 + m)), ln2 * (bits(w) / 2^23 - 127) - z >= -best rules
// it out. kSlack covers the roundings.
constexpr float kSlack = 2e-3f;

/// Goes over ids in order, eight at a time, with lower bounds of their ln(-ln(1 - w)).
class NoiseScan {
 public:
  explicit NoiseScan(NoiseKey key) : key_(key) {}

  __m256 next() {
    constexpr float kLn2 = 0.693147181f;
    constexpr float kBitsToLog = kLn2 / (1 << 23);
    const __m256i noise = noise_bits(ids_, key_);
    ids_ = _mm256_add_epi32(ids_, _mm256_set1_epi32(static_cast<int>(kIdStep * kLanes)));
    const __m256 w = _mm256_cvtepi32_ps(_mm256_srli_epi32(noise, 1));
    // 31: w is scaled by 2^31 here.
    return _mm256_fmadd_ps(_mm256_cvtepi32_ps(_mm256_castps_si256(w)), _mm256_set1_ps(kBitsToLog),
                           _mm256_set1_ps(-(127 + 31) * kLn2));
  }

 private:
  NoiseKey key_;
  __m256i ids_ = _mm256_mullo_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
                                    _mm256_set1_epi32(static_cast<int>(kIdStep)));
};

double score_of(float x, float scale, int32_t id, NoiseKey key) {
  return double{x} * double{scale} + gumbel(static_cast<uint32_t>(id), key);
}

/// What NoiseScan's bounds less z reach where a score of `best` is beaten.
float limit_of(double best, Peak peak, float scale) {
  return kSlack - static_cast<float>(best - double{peak.value} * double{scale});
}

}  // namespace

int32_t draw(std::span<const float> row, Peak peak, float scale, const Cut& cut, NoiseKey key) {
  int32_t best_id = peak.id;  // the cut always keeps the peak
  double best = score_of(peak.value, scale, best_id, key);
  float limit = limit_of(best, peak, scale);

  const __m256 floor = _mm256_set1_ps(cut.floor);
  NoiseScan noise(key);
  for_each_vector(row, [&](int64_t i, __m256 x) {
    const __m256 z =
        _mm256_mul_ps(_mm256_sub_ps(x, _mm256_set1_ps(peak.value)), _mm256_set1_ps(scale));
    const __m256 open = _mm256_and_ps(
        _mm256_cmp_ps(_mm256_sub_ps(noise.next(), z), _mm256_set1_ps(limit), _CMP_LT_OQ),
        _mm256_cmp_ps(x, floor, _CMP_GE_OQ));
    for_each_lane(open, i, row.size(), [&](int32_t id) {
      if (!cut.keeps(row[id], id)) return;
      const double mine = score_of(row[id], scale, id, key);
      if (mine > best || (mine == best && id < best_id)) {
        best = mine;
        best_id = id;
        limit = limit_of(best, peak, scale);
      }
    });
  });
  return best_id;
}

void select_peaks(std::span<const float> estimate, std::span<const float> margin,
                  std::vector<int32_t>& ids) {
  FATHOM_CHECK(margin.size() == estimate.size());
  // maxps gives its second operand when the first is NaN.
  __m256 floor = _mm256_set1_ps(kNone);
  const auto margin_at = [&](int64_t i) { return load_lanes(margin, i); };
  for_each_vector(estimate, [&](int64_t i, __m256 x) {
    floor = _mm256_max_ps(_mm256_sub_ps(x, margin_at(i)), floor);
  });
  const __m256 least = _mm256_set1_ps(largest_lane(floor));
  for_each_vector(estimate, [&](int64_t i, __m256 x) {
    const __m256 most = _mm256_add_ps(x, margin_at(i));
    for_each_lane(_mm256_cmp_ps(most, least, _CMP_NLT_UQ), i, estimate.size(),
                  [&](int32_t id) { ids.push_back(id); });
  });
}

void select_draws(std::span<const float> estimate, std::span<const float> margin, float scale,
                  NoiseKey key, std::vector<int32_t>& ids) {
  FATHOM_CHECK(margin.size() == estimate.size());
  const Peak peak = find_peak(estimate);
  if (peak.id < 0) return;
  // A score that is surely reached.
  const int32_t reached = draw(estimate, peak, scale, {}, key);
  const double best = score_of(estimate[reached] - margin[reached], scale, reached, key);
  const __m256 limit = _mm256_set1_ps(limit_of(best, peak, scale));
  NoiseScan noise(key);
  for_each_vector(estimate, [&](int64_t i, __m256 x) {
    const __m256 most = _mm256_add_ps(x, load_lanes(margin, i));
    const __m256 z =
        _mm256_mul_ps(_mm256_sub_ps(most, _mm256_set1_ps(peak.value)), _mm256_set1_ps(scale));
    const __m256 open = _mm256_cmp_ps(_mm256_sub_ps(noise.next(), z), limit, _CMP_NGE_UQ);
    for_each_lane(open, i, estimate.size(), [&](int32_t id) { ids.push_back(id); });
  });
}

}  // namespace fathom::engine
