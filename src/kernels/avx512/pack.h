// From a row-major matrix to panels (kernels/panel.h).
#pragma once

#include "kernels/avx512/vectors.h"
#include "kernels/panel.h"

namespace fathom::avx512 {
namespace {

// Rows lie apart, so the hardware fetches late: ask for four lines ahead along each.
constexpr int64_t kPrefetch = 256;

/// Writes ceil(row_bytes / 4) groups of 256 bytes. Reads nothing past a row's bytes.
inline void pack(const PackArgs& args, uint8_t* panel) {
  const __m512i regroup =
      _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15));
  const int64_t groups = (args.row_bytes + 3) / 4;
  for (int v = 0; v < kVectors; ++v) {
    for (int64_t byte = 0; byte < args.row_bytes; byte += 64) {
      const __mmask64 valid = first64(args.row_bytes - byte);
      const int64_t columns = groups - byte / 4 < 16 ? groups - byte / 4 : 16;
      __m512i r[16];
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i) {
        const int64_t row = v * 16 + i;
        const __mmask64 mask = row < args.rows ? valid : 0;
        const int64_t safe = row < args.rows ? row : 0;
        _mm_prefetch(args.source + safe * args.stride + byte + kPrefetch, _MM_HINT_T0);
        r[i] = _mm512_maskz_loadu_epi8(mask, args.source + safe * args.stride + byte);
      }
      transpose16(r);
      if (args.halves) {
#pragma GCC unroll 16
        for (int i = 0; i < 16; ++i) r[i] = _mm512_shuffle_epi8(r[i], regroup);
      }
      uint8_t* out = panel + byte * 64 + v * 64;
      if (columns == 16) {
#pragma GCC unroll 16
        for (int i = 0; i < 16; ++i) _mm512_store_si512(out + i * 256, r[i]);
      } else {
        for (int64_t i = 0; i < columns; ++i) _mm512_store_si512(out + i * 256, r[i]);
      }
    }
  }
}

}  // namespace
}  // namespace fathom::avx512
