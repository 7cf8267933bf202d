// Panels (kernels/panel.h) from row-major matrices.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "kernels/panel.h"

namespace fathom::avx2 {
namespace {

// Writes ceil(row_bytes / 4) groups of 256 bytes. Reads nothing past a row's bytes.
void pack(const PackArgs& args, uint8_t* panel) {
  const __m128i regroup = _mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
  const int64_t groups = ceil_div(args.row_bytes, 4);
  for (int64_t byte = 0; byte < args.row_bytes; byte += 16) {
    const int64_t valid = std::min<int64_t>(16, args.row_bytes - byte);
    for (int64_t row = 0; row < kPanelRows; row += 4) {
      __m128i r[4];
      for (int64_t i = 0; i < 4; ++i) {
        alignas(16) uint8_t bytes[16] = {};
        if (row + i < args.rows) {
          const uint8_t* from = args.source + (row + i) * args.stride + byte;
          if (valid == 16) {
            std::memcpy(bytes, from, 16);
          } else {
            std::memcpy(bytes, from, static_cast<size_t>(valid));
          }
        }
        r[i] = _mm_load_si128(reinterpret_cast<const __m128i*>(bytes));
      }
      const __m128i a = _mm_unpacklo_epi32(r[0], r[1]), b = _mm_unpacklo_epi32(r[2], r[3]);
      const __m128i c = _mm_unpackhi_epi32(r[0], r[1]), d = _mm_unpackhi_epi32(r[2], r[3]);
      const __m128i group[4] = {_mm_unpacklo_epi64(a, b), _mm_unpackhi_epi64(a, b),
                                _mm_unpacklo_epi64(c, d), _mm_unpackhi_epi64(c, d)};
      for (int64_t g = 0; g < std::min<int64_t>(4, groups - byte / 4); ++g) {
        const __m128i out = args.halves ? _mm_shuffle_epi8(group[g], regroup) : group[g];
        _mm_storeu_si128(reinterpret_cast<__m128i*>(panel + (byte / 4 + g) * 256 + row * 4), out);
      }
    }
  }
}

}  // namespace
}  // namespace fathom::avx2
