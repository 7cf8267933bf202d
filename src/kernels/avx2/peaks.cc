#include "kernels/peaks.h"

#include "kernels/avx2/vectors.h"

namespace fathom {
namespace {

using avx2::Sums8;

constexpr int kChains = 12;  // 2 a cycle at a latency of 4 or 5, within 16 registers

float f32_loop(int64_t rounds) {
  volatile float small = 1e-6f;
  const __m256 a = _mm256_set1_ps(small), b = _mm256_set1_ps(small);
  __m256 chains[kChains];  // each its own beginning: equal ones would be computed once
  for (int c = 0; c < kChains; ++c) chains[c] = _mm256_set1_ps(static_cast<float>(c));
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) chains[c] = _mm256_fmadd_ps(a, b, chains[c]);
  }
  __m256 sum = _mm256_setzero_ps();
  for (const __m256& c : chains) sum = _mm256_add_ps(sum, c);
  float lanes[8], total = 0;
  _mm256_storeu_ps(lanes, sum);
  for (float lane : lanes) total += lane;
  return total;
}

float int8_loop(int64_t rounds) {
  volatile int32_t small = 0x00010001;
  __m256i a = _mm256_set1_epi32(small);
  const __m256i b = a;
  Sums8 chains[kChains];
  for (int c = 0; c < kChains; ++c) chains[c] = (Sums8)_mm256_set1_epi32(c);
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) {
      asm("" : "+x"(a));  // or the product would be taken out of the loop
      chains[c] += (Sums8)_mm256_madd_epi16(a, b);
    }
  }
  Sums8 sum = {};
  for (const Sums8& c : chains) sum += c;
  int32_t total = 0;
  for (int lane = 0; lane < 8; ++lane) total ^= sum[lane];
  return static_cast<float>(total);
}

uint64_t read(std::span<const std::byte> memory) {
  __m256i sum[4] = {};
  const size_t quarter = memory.size() / 4;  // four streams at once: see the AVX-512 loop
  for (size_t at = 0; at < quarter; at += 512) {
    for (size_t stream = 0; stream < 4; ++stream) {
      const auto* from = reinterpret_cast<const __m256i*>(memory.data() + stream * quarter + at);
#pragma GCC unroll 16
      for (size_t i = 0; i < 16; ++i) {
        sum[i % 4] = _mm256_xor_si256(sum[i % 4], _mm256_loadu_si256(from + i));
      }
    }
  }
  const __m256i all =
      _mm256_xor_si256(_mm256_xor_si256(sum[0], sum[1]), _mm256_xor_si256(sum[2], sum[3]));
  uint64_t lanes[4];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(lanes), all);
  return lanes[0] ^ lanes[1] ^ lanes[2] ^ lanes[3];
}

}  // namespace

const PeakLoops& avx2_peak_loops() {
  static constexpr PeakLoops kLoops = {
      f32_loop, f32_loop, int8_loop, kChains * 8 * 2, kChains * 8 * 2, kChains * 16 * 2, read};
  return kLoops;
}

}  // namespace fathom
