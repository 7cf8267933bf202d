// INT8 products: a block of a panel against all rows of x. Bytes are multiplied as 16-bit numbers,
// even and odd columns apart: vpmaddubsw would saturate.
#include <algorithm>
#include <cstring>
#include <limits>

#include "kernels/avx2/int8.h"
#include "kernels/avx2/vectors.h"

namespace fathom::avx2 {
namespace {

// NOTES: 4 x 2 sums, a weight's even and odd columns and a row's are 12 of 16 registers.
constexpr int kTileRows = 4;
constexpr int kTileVectors = 2;
constexpr int64_t kRowsAtOnce = 48;  // whose totals, 12 KB, stay in the first cache
constexpr int64_t kGroups = kScaleBlock / 4;

/// A row's codes of a block, each group of 4 as two pairs of 16 bits: columns 0 and 2, 1 and 3.
struct Pairs {
  int32_t even[kGroups], odd[kGroups];
};

void spread(const int8_t* codes, Pairs& pairs) {
  for (int64_t g = 0; g < kGroups; g += 8) {
    const __m256i four = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + g * 4));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(pairs.even + g),
                        _mm256_srai_epi16(_mm256_slli_epi16(four, 8), 8));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(pairs.odd + g), _mm256_srai_epi16(four, 8));
  }
}

/// One block of a panel against some rows.
struct Tile {
  const uint8_t* weights;
  const Pairs* x;
  const Int8Scale* const* scales;
  float* total;  // [rows, 64]
};

__m256 weight_scales(const uint8_t* block, int64_t lane) {
  return widen_bf16(
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + kInt8Codes + lane * 2)));
}

template <int R>
void multiply(const Tile& tile) {
  const __m256i low = _mm256_set1_epi16(0xFF);
  for (int64_t lane = 0; lane < kPanelRows; lane += kTileVectors * 8) {
    __m256i sum[R][kTileVectors];
    for (int r = 0; r < R; ++r) {
      for (int v = 0; v < kTileVectors; ++v) {
        sum[r][v] = _mm256_set1_epi32(tile.scales[r]->offset);
      }
    }
    const uint8_t* weights = tile.weights + lane * 4;
    for (int64_t g = 0; g < kGroups; ++g) {
      __m256i even[kTileVectors], odd[kTileVectors];
#pragma GCC unroll 2
      for (int v = 0; v < kTileVectors; ++v) {
        const __m256i w =
            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights + g * 4 * kPanelRows) + v);
        even[v] = _mm256_and_si256(w, low);
        odd[v] = _mm256_srli_epi16(w, 8);
      }
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) {
        const __m256i x_even = _mm256_set1_epi32(tile.x[r].even[g]);
        const __m256i x_odd = _mm256_set1_epi32(tile.x[r].odd[g]);
#pragma GCC unroll 2
        for (int v = 0; v < kTileVectors; ++v) {
          const __m256i four = _mm256_add_epi32(_mm256_madd_epi16(even[v], x_even),
                                                _mm256_madd_epi16(odd[v], x_odd));
          sum[r][v] = _mm256_add_epi32(sum[r][v], four);
        }
      }
    }
    for (int v = 0; v < kTileVectors; ++v) {
      const __m256 scale = weight_scales(tile.weights, lane + v * 8);
      for (int r = 0; r < R; ++r) {
        float* total = tile.total + r * kPanelRows + lane + v * 8;
        const __m256 scaled = _mm256_mul_ps(_mm256_cvtepi32_ps(sum[r][v]), scale);
        _mm256_storeu_ps(total, _mm256_fmadd_ps(scaled, _mm256_set1_ps(tile.scales[r]->scale),
                                                _mm256_loadu_ps(total)));
      }
    }
  }
}

constexpr void (*kTiles[])(const Tile&) = {nullptr, multiply<1>, multiply<2>, multiply<3>,
                                           multiply<4>};

// Rows [first, first + count) of x against a block of a panel.
void block_product(const Activations& x, const uint8_t* weights, int64_t block, int64_t first,
                   int64_t count, float* totals) {
  for (int64_t done = 0; done < count; done += kTileRows) {
    const int64_t rows = std::min<int64_t>(kTileRows, count - done);
    Pairs pairs[kTileRows];
    const Int8Scale* scales[kTileRows];
    for (int64_t i = 0; i < rows; ++i) {
      const auto at = static_cast<size_t>(first + done + i);
      const int64_t row = x.index.empty() ? static_cast<int64_t>(at) : x.index[at];
      spread(x.int8.at(row, block), pairs[i]);
      scales[i] = &x.int8.scale(row, block);
    }
    kTiles[rows]({weights, pairs, scales, totals + done * kPanelRows});
  }
}

}  // namespace

void int8_linear(const Activations& x, const WeightView& w, int64_t first, int64_t last,
                 Mat<float> y) {
  FATHOM_CHECK(x.numerics == Numerics::kInt8 && w.layout == WeightLayout::kPanels);
  float totals[kRowsAtOnce * kPanelRows];
  const int64_t origin = first;  // y's column 0
  for (; first < last; first += kPanelRows) {
    const uint8_t* panel = static_cast<const uint8_t*>(w.data) +
                           static_cast<size_t>(first / kPanelRows) * int8_panel_bytes(w.cols);
    const auto outputs = static_cast<size_t>(std::min(last - first, kPanelRows));
    for (int64_t row = 0; row < x.rows(); row += kRowsAtOnce) {
      const int64_t count = std::min(kRowsAtOnce, x.rows() - row);
      std::memset(totals, 0, static_cast<size_t>(count * kPanelRows) * sizeof(float));
      for (int64_t b = 0; b < w.scale_cols(); ++b) {
        block_product(x, panel + b * kInt8Block, b, row, count, totals);
      }
      for (int64_t r = 0; r < count; ++r) {
        std::memcpy(y.row(row + r) + (first - origin), totals + r * kPanelRows,
                    outputs * sizeof(float));
      }
    }
  }
}

Int8Scale quantize_int8(std::span<const float> x, int8_t* codes) {
  constexpr int kParts = kScaleBlock / 8;
  __m256 values[kParts];
  __m256i top_bits = _mm256_setzero_si256();
  for (int i = 0; i < kParts; ++i) {
    values[i] = load_first(x.data() + i * 8, static_cast<int64_t>(x.size()) - i * 8);
    // Of positive floats, order is that of their bits, NaN last.
    top_bits = _mm256_max_epi32(
        top_bits, _mm256_and_si256(_mm256_castps_si256(values[i]), _mm256_set1_epi32(0x7FFFFFFF)));
  }
  int32_t lanes[8];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(lanes), top_bits);
  const int32_t most = *std::max_element(lanes, lanes + 8);
  float top;
  std::memcpy(&top, &most, sizeof top);
  const bool finite = top < std::numeric_limits<float>::infinity();
  if (!finite || top < kLeastInt8) {
    std::memset(codes, 0, kScaleBlock);
    return {finite ? 0.0f : std::numeric_limits<float>::quiet_NaN(), 0};
  }
  const __m256 inverse = _mm256_set1_ps(127.0f / top);
  int32_t sum = 0;
  for (int i = 0; i < kParts; ++i) {
    const __m256i code = _mm256_cvtps_epi32(_mm256_mul_ps(values[i], inverse));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(lanes), code);
    for (int lane = 0; lane < 8; ++lane) {
      codes[i * 8 + lane] = static_cast<int8_t>(lanes[lane]);
      sum += lanes[lane];
    }
  }
  return {top / 127.0f, -kInt8Offset * sum};
}

}  // namespace fathom::avx2
