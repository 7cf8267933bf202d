// exp for softmax and SiLU.
#pragma once

#include "kernels/avx512/vectors.h"

namespace fathom::avx512 {
namespace {

/// exp(x) to 1.5 units in the last place: x = n ln 2 + r, |r| <= ln 2 / 2, and a polynomial of
/// degree
/// 6. Below -103 it is 0 and above 88.7 infinity; NaN stays.
inline __attribute__((always_inline)) __m512 exp_ps(__m512 x) {
  const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)),
                                        _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693145752f), x);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(1.42860677e-6f), r);
  __m512 p = _mm512_set1_ps(1.98756912e-4f);
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.39819994e-3f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(8.33345186e-3f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(4.16657962e-2f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.66666657e-1f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.5f));
  p = _mm512_fmadd_ps(_mm512_mul_ps(p, r), r, r);
  p = _mm512_add_ps(p, _mm512_set1_ps(1.0f));
  return _mm512_scalef_ps(p, n);
}

/// exp that is exactly 0 for -infinity.
inline __attribute__((always_inline)) __m512 exp_safe(__m512 x) {
  // -infinity times 0 in the reduction would be NaN: clamp, scalef then underflows to 0.
  const __m512 safe = _mm512_mask_max_ps(
      x, _mm512_cmp_ps_mask(x, _mm512_set1_ps(-200.0f), _CMP_LT_OQ), x, _mm512_set1_ps(-200.0f));
  return exp_ps(safe);
}

}  // namespace
}  // namespace fathom::avx512
