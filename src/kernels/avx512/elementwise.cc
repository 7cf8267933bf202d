// The operations that go over a row once.
#include <cmath>

#include "kernels/avx512/exp.h"
#include "kernels/avx512/table.h"

namespace fathom::avx512 {
namespace {

__m512 load(std::span<const float> x, int64_t at, __mmask16 mask) {
  return _mm512_maskz_loadu_ps(mask, x.data() + at);
}

// Round to nearest even in integers: vcvtneps2bf16 would flush subnormals. The upper halves of the
// lanes are the result.
__m512i rounded_bf16(__m512 x) {
  const __m512i bits = _mm512_castps_si512(x);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF)));
  const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
  return _mm512_mask_or_epi32(rounded, nan, bits, _mm512_set1_epi32(0x00400000));
}

// f32_to_e4m3 of float_formats.h.
__m128i to_e4m3(__m512 x) {
  const __m512i bits = _mm512_castps_si512(x);
  const __m512i sign = _mm512_and_si512(_mm512_srli_epi32(bits, 24), _mm512_set1_epi32(0x80));
  const __m512i magnitude = _mm512_and_si512(bits, _mm512_set1_epi32(0x7FFFFFFF));
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(magnitude, 20), _mm512_set1_epi32(1));
  const __m512i rounded =
      _mm512_add_epi32(magnitude, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFFF)));
  __m512i code = _mm512_sub_epi32(_mm512_srli_epi32(rounded, 20), _mm512_set1_epi32(120 << 3));
  code = _mm512_min_epi32(code, _mm512_set1_epi32(0x7E));
  const __m512i subnormal =
      _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_castsi512_ps(magnitude), _mm512_set1_ps(0x1p9f)));
  const __mmask16 small = _mm512_cmplt_epi32_mask(magnitude, _mm512_set1_epi32(0x3C800000));
  code = _mm512_mask_mov_epi32(code, small, subnormal);
  const __mmask16 none = _mm512_cmpge_epi32_mask(magnitude, _mm512_set1_epi32(0x7F800000));
  code = _mm512_mask_mov_epi32(code, none, _mm512_set1_epi32(0x7F));
  return _mm512_cvtepi32_epi8(_mm512_or_si512(code, sign));
}

}  // namespace

void round_bf16(std::span<const float> x, uint16_t* out) {
  const auto size = static_cast<int64_t>(x.size());
  alignas(64) static constexpr uint16_t kUpper[32] = {1,  3,  5,  7,  9,  11, 13, 15, 17, 19, 21,
                                                      23, 25, 27, 29, 31, 33, 35, 37, 39, 41, 43,
                                                      45, 47, 49, 51, 53, 55, 57, 59, 61, 63};
  const __m512i upper = _mm512_load_si512(kUpper);
  int64_t i = 0;
  for (; i + 32 <= size; i += 32) {
    const __m512i low = rounded_bf16(_mm512_loadu_ps(x.data() + i));
    const __m512i high = rounded_bf16(_mm512_loadu_ps(x.data() + i + 16));
    _mm512_storeu_si512(out + i, _mm512_permutex2var_epi16(low, upper, high));
  }
  for (; i < size; i += 16) {
    const __mmask16 mask = first16(size - i);
    const __m512i rounded = rounded_bf16(load(x, i, mask));
    _mm256_mask_storeu_epi16(out + i, mask, _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16)));
  }
}

void quantize_e4m3(std::span<const float> x, uint8_t* codes, float* scales) {
  const auto size = static_cast<int64_t>(x.size());
  for (int64_t begin = 0; begin < size; begin += kScaleBlock) {
    const int64_t end = size < begin + kScaleBlock ? size : begin + kScaleBlock;
    __m512 top = _mm512_set1_ps(1e-4f);
    for (int64_t i = begin; i < end; i += 16) {
      // The second operand is what a NaN leaves.
      top = _mm512_max_ps(_mm512_abs_ps(load(x, i, first16(end - i))), top);
    }
    const float scale = _mm512_reduce_max_ps(top) / 448.0f;
    scales[begin / kScaleBlock] = scale;
    for (int64_t i = begin; i < end; i += 16) {
      const __mmask16 mask = first16(end - i);
      const __m512 scaled = _mm512_div_ps(load(x, i, mask), _mm512_set1_ps(scale));
      _mm_mask_storeu_epi8(codes + i, mask, to_e4m3(scaled));
    }
  }
}

void rms_norm(std::span<const float> x, std::span<const float> weight, float eps, float* y) {
  const auto size = static_cast<int64_t>(x.size());
  __m512d low = _mm512_setzero_pd(), high = _mm512_setzero_pd();
  for (int64_t i = 0; i < size; i += 16) {
    const __m512 v = load(x, i, first16(size - i));
    const __m512d a = _mm512_cvtps_pd(_mm512_castps512_ps256(v));
    const __m512d b = _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1));
    low = _mm512_fmadd_pd(a, a, low);
    high = _mm512_fmadd_pd(b, b, high);
  }
  const double square = _mm512_reduce_add_pd(_mm512_add_pd(low, high));
  const double root = std::sqrt(square / static_cast<double>(size) + eps);
  // One rounding, at the end: under w8a8 what follows is quantized, and an error of one unit in the
  // last place can move a value into the next code.
  const __m512d scale = _mm512_set1_pd(1.0 / root);
  for (int64_t i = 0; i < size; i += 8) {
    const __mmask8 mask = first16(size - i) & 0xFF;
    const __m512d v = _mm512_cvtps_pd(_mm256_maskz_loadu_ps(mask, x.data() + i));
    const __m512d w = _mm512_cvtps_pd(_mm256_maskz_loadu_ps(mask, weight.data() + i));
    const __m256 out = _mm512_cvtpd_ps(_mm512_mul_pd(_mm512_mul_pd(v, scale), w));
    _mm256_mask_storeu_ps(y + i, mask, out);
  }
}

void swiglu(std::span<const float> gate, std::span<const float> up, float* y) {
  const auto size = static_cast<int64_t>(gate.size());
  const __m512 one = _mm512_set1_ps(1.0f);
  for (int64_t i = 0; i < size; i += 16) {
    const __mmask16 mask = first16(size - i);
    const __m512 g = load(gate, i, mask);
    const __m512 e = exp_safe(_mm512_xor_ps(g, _mm512_set1_ps(-0.0f)));
    const __m512 silu = _mm512_div_ps(g, _mm512_add_ps(one, e));
    _mm512_mask_storeu_ps(y + i, mask, _mm512_mul_ps(silu, load(up, i, mask)));
  }
}

void rope(std::span<float> x, std::span<const float> cos, std::span<const float> sin) {
  const auto size = static_cast<int64_t>(x.size());
  const __m512i twice = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
  for (int64_t i = 0; i < size; i += 16) {
    const __mmask16 mask = first16(size - i), half = first16((size - i) / 2) & 0xFF;
    const __m512 v = _mm512_maskz_loadu_ps(mask, x.data() + i);
    const __m512 c = _mm512_permutexvar_ps(twice, load(cos, i / 2, half));
    const __m512 s = _mm512_permutexvar_ps(twice, load(sin, i / 2, half));
    const __m512 crossed = _mm512_mul_ps(_mm512_permute_ps(v, 0xB1), s);
    _mm512_mask_storeu_ps(x.data() + i, mask, _mm512_fmaddsub_ps(v, c, crossed));
  }
}

}  // namespace fathom::avx512
