// The panels of this set (kernels/panel.h): four strips of 16 rows, each the groups of 4 bytes
// along those rows one after another, 64 bytes of each group.
//
// NOTES: the memory gives two threads a quarter more from four streams than from one, and a single
// thread half as much again (Zen 3); one row's sums of four strips are what the registers hold.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "kernels/panel.h"

namespace fathom::avx2 {
namespace {

constexpr int64_t kStrips = 4;
constexpr int64_t kStripRows = kPanelRows / kStrips;
constexpr int kStripVectors = kStripRows / 8;
constexpr int64_t kGroup = 4 * kStripRows;  // bytes: 4 columns of FP8, 2 of BF16, 1 of F32

/// A panel or some of its columns: group g of strip s is at `first + s * strip + g * kGroup`.
struct Strips {
  const uint8_t* first;
  int64_t strip;  // bytes from one to the next

  const uint8_t* at(int64_t s, int64_t group) const { return first + s * strip + group * kGroup; }
  Strips from(int64_t group) const { return {at(0, group), strip}; }
  Strips below(int64_t s) const { return {at(s, 0), strip}; }
};

/// Bytes of a strip with rows of so many bytes.
constexpr int64_t strip_bytes(int64_t row_bytes) { return ceil_div(row_bytes, 4) * kGroup; }

/// Writes ceil(row_bytes / 4) groups of each strip. Reads nothing past a row's bytes.
inline void pack(const PackArgs& args, uint8_t* panel) {
  const int64_t groups = ceil_div(args.row_bytes, 4), strip = strip_bytes(args.row_bytes);
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
      uint8_t* to = panel + row / kStripRows * strip + byte / 4 * kGroup + row % kStripRows * 4;
      for (int64_t g = 0; g < std::min<int64_t>(4, groups - byte / 4); ++g) {
        _mm_storeu_si128(reinterpret_cast<__m128i*>(to + g * kGroup), group[g]);
      }
    }
  }
}

/// Whether `groups` groups of FP8 in so many strips hold a NaN.
inline bool holds_nan(const Strips& strips, int64_t count, int64_t groups) {
  for (int64_t s = 0; s < count; ++s) {
    const std::span codes(strips.at(s, 0), static_cast<size_t>(groups * kGroup));
    if (fathom::holds_nan(std::as_bytes(codes))) return true;
  }
  return false;
}

}  // namespace
}  // namespace fathom::avx2
