#include "kernels/peaks.h"

#include <immintrin.h>

namespace fathom {
namespace {

// NOTES: 24 chains hide the latency of either instruction (4 to 6 cycles at 2 a cycle); the
// operands come from volatile memory, or the compiler would know the result.
constexpr int kChains = 24;

// Each chain its own beginning: equal ones would be computed once.
void begin(__m512 (&chains)[kChains]) {
  for (int c = 0; c < kChains; ++c) chains[c] = _mm512_set1_ps(static_cast<float>(c));
}

float sum_of(const __m512 (&chains)[kChains]) {
  __m512 sum = _mm512_setzero_ps();
  for (const __m512& c : chains) sum = _mm512_add_ps(sum, c);
  return _mm512_reduce_add_ps(sum);
}

float f32_loop(int64_t rounds) {
  volatile float small = 1e-6f;
  const __m512 a = _mm512_set1_ps(small), b = _mm512_set1_ps(small);
  __m512 chains[kChains];
  begin(chains);
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 24
    for (int c = 0; c < kChains; ++c) chains[c] = _mm512_fmadd_ps(a, b, chains[c]);
  }
  return sum_of(chains);
}

float bf16_loop(int64_t rounds) {
  volatile float small = 1e-6f;
  const __m512bh a = _mm512_cvtne2ps_pbh(_mm512_set1_ps(small), _mm512_set1_ps(small));
  __m512 chains[kChains];
  begin(chains);
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 24
    for (int c = 0; c < kChains; ++c) chains[c] = _mm512_dpbf16_ps(chains[c], a, a);
  }
  return sum_of(chains);
}

float int8_loop(int64_t rounds) {
  volatile int32_t small = 0x01010101;
  const __m512i a = _mm512_set1_epi32(small);
  using Lanes = int32_t __attribute__((vector_size(64)));  // see kernels/avx512/int8.h
  Lanes chains[kChains];
  for (int c = 0; c < kChains; ++c) chains[c] = (Lanes)_mm512_set1_epi32(c);
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 24
    for (int c = 0; c < kChains; ++c)
      chains[c] = (Lanes)_mm512_dpbusd_epi32((__m512i)chains[c], a, a);
  }
  __m512i sum = _mm512_setzero_si512();
  for (const Lanes& c : chains) sum = _mm512_add_epi32(sum, (__m512i)c);
  return static_cast<float>(_mm512_reduce_add_epi32(sum));
}

// NOTES: four streams at once: one alone is what a single prefetcher keeps up with, and got little
// more than half as much on a busy machine.
uint64_t read(std::span<const std::byte> memory) {
  __m512i sum[4] = {};
  const size_t quarter = memory.size() / 4;
  for (size_t at = 0; at < quarter; at += 512) {
#pragma GCC unroll 4
    for (size_t stream = 0; stream < 4; ++stream) {
      const std::byte* from = memory.data() + stream * quarter + at;
#pragma GCC unroll 8
      for (size_t i = 0; i < 8; ++i) {
        sum[i % 4] = _mm512_xor_si512(sum[i % 4], _mm512_loadu_si512(from + i * 64));
      }
    }
  }
  const __m512i all =
      _mm512_xor_si512(_mm512_xor_si512(sum[0], sum[1]), _mm512_xor_si512(sum[2], sum[3]));
  return static_cast<uint64_t>(_mm512_reduce_add_epi64(all));
}

}  // namespace

const PeakLoops& avx512_peak_loops() {
  static constexpr PeakLoops kLoops = {
      f32_loop, bf16_loop, int8_loop, kChains * 16 * 2, kChains * 32 * 2, kChains * 64 * 2, read};
  return kLoops;
}

}  // namespace fathom
