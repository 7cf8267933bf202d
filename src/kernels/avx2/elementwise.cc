// The operations that go over a row once.
#include <algorithm>
#include <cmath>

#include "kernels/avx2/table.h"
#include "kernels/avx2/vectors.h"
#include "tensor/float_formats.h"

namespace fathom::avx2 {

namespace {

/// The upper halves, to nearest even, in the lower ones' place; NaN stays.
__m256i rounded_bf16(__m256 x) {
  const __m256i bits = _mm256_castps_si256(x);
  const __m256i upper = _mm256_srli_epi32(bits, 16);
  const __m256i half =
      _mm256_add_epi32(_mm256_set1_epi32(0x7FFF), _mm256_and_si256(upper, _mm256_set1_epi32(1)));
  const __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(bits, half), 16);
  const __m256i quiet = _mm256_or_si256(upper, _mm256_set1_epi32(0x40));
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
  return _mm256_blendv_epi8(rounded, quiet, nan);
}

}  // namespace

void round_bf16(std::span<const float> x, uint16_t* out) {
  const auto size = static_cast<int64_t>(x.size());
  int64_t i = 0;
  for (; i + 16 <= size; i += 16) {
    const __m256i packed = _mm256_packus_epi32(rounded_bf16(_mm256_loadu_ps(x.data() + i)),
                                               rounded_bf16(_mm256_loadu_ps(x.data() + i + 8)));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i),
                        _mm256_permute4x64_epi64(packed, 0xD8));
  }
  for (; i < size; ++i) out[i] = f32_to_bf16(x[static_cast<size_t>(i)]);
}

void quantize_e4m3(std::span<const float> x, uint8_t* codes, float* scales) {
  const auto size = static_cast<int64_t>(x.size());
  const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7FFFFFFF));
  for (int64_t begin = 0; begin < size; begin += kScaleBlock) {
    const int64_t end = std::min(size, begin + kScaleBlock);
    __m256 top = _mm256_set1_ps(1e-4f);
    for (int64_t i = begin; i < end; i += 8) {
      // The second operand is what a NaN leaves.
      top = _mm256_max_ps(_mm256_and_ps(load_first(x.data() + i, end - i), magnitude), top);
    }
    alignas(32) float lanes[8];
    _mm256_store_ps(lanes, top);
    const float scale = *std::max_element(lanes, lanes + 8) / 448.0f;
    scales[begin / kScaleBlock] = scale;
    for (int64_t i = begin; i < end; ++i) codes[i] = f32_to_e4m3(x[static_cast<size_t>(i)] / scale);
  }
}

void rms_norm(std::span<const float> x, std::span<const float> weight, float eps, float* y) {
  const auto size = static_cast<int64_t>(x.size());
  __m256d low = _mm256_setzero_pd(), high = _mm256_setzero_pd();
  for (int64_t i = 0; i < size; i += 8) {
    const __m256 v = load_first(x.data() + i, size - i);
    const __m256d a = _mm256_cvtps_pd(_mm256_castps256_ps128(v));
    const __m256d b = _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1));
    low = _mm256_fmadd_pd(a, a, low);
    high = _mm256_fmadd_pd(b, b, high);
  }
  alignas(32) double lanes[4];
  _mm256_store_pd(lanes, _mm256_add_pd(low, high));
  const double square = (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
  // One rounding, at the end: see the AVX-512 set.
  const __m256d scale = _mm256_set1_pd(1.0 / std::sqrt(square / static_cast<double>(size) + eps));
  const auto scaled = [&](__m128 v, __m128 w) {
    return _mm256_cvtpd_ps(
        _mm256_mul_pd(_mm256_mul_pd(_mm256_cvtps_pd(v), scale), _mm256_cvtps_pd(w)));
  };
  for (int64_t i = 0; i < size; i += 8) {
    const __m256 v = load_first(x.data() + i, size - i);
    const __m256 w = load_first(weight.data() + i, size - i);
    store_first(y + i, size - i,
                _mm256_set_m128(scaled(_mm256_extractf128_ps(v, 1), _mm256_extractf128_ps(w, 1)),
                                scaled(_mm256_castps256_ps128(v), _mm256_castps256_ps128(w))));
  }
}

void swiglu(std::span<const float> gate, std::span<const float> up, float* y) {
  const auto size = static_cast<int64_t>(gate.size());
  for (int64_t i = 0; i < size; i += 8) {
    const __m256 g = load_first(gate.data() + i, size - i);
    const __m256 e = exp_ps(_mm256_xor_ps(g, _mm256_set1_ps(-0.0f)));
    const __m256 silu = _mm256_div_ps(g, _mm256_add_ps(_mm256_set1_ps(1.0f), e));
    store_first(y + i, size - i, _mm256_mul_ps(silu, load_first(up.data() + i, size - i)));
  }
}

void rope(std::span<float> x, std::span<const float> cos, std::span<const float> sin) {
  const auto size = static_cast<int64_t>(x.size());
  const __m256i twice = _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3);
  const auto spread = [&](const float* from, int64_t n) {
    return _mm256_permutevar8x32_ps(_mm256_maskload_ps(from, first8(n < 4 ? n : 4)), twice);
  };
  for (int64_t i = 0; i < size; i += 8) {
    const __m256 v = load_first(x.data() + i, size - i);
    const __m256 c = spread(cos.data() + i / 2, (size - i) / 2);
    const __m256 s = spread(sin.data() + i / 2, (size - i) / 2);
    const __m256 crossed = _mm256_mul_ps(_mm256_permute_ps(v, 0xB1), s);
    store_first(x.data() + i, size - i, _mm256_fmaddsub_ps(v, c, crossed));
  }
}

}  // namespace fathom::avx2
