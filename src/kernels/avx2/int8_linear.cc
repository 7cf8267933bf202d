// INT8 products: blocks of panels against rows of x, in registers. A magnitude of x, unsigned,
// times a weight that has taken x's sign: two such products stay within 16 bits, so nothing
// saturates.
//
// NOTES: 4 rows x 2 vectors of 8 outputs are sums; 32 products take four operations and half a
// load. A block of a panel, 8 KB, stays in the first cache while all rows pass, four at a time; the
// first of them ask for the lines of the block that follows, a single row for lines of four panels
// in turn.
#include <algorithm>
#include <cstring>
#include <limits>

#include "kernels/avx2/int8.h"
#include "kernels/avx2/linear.h"
#include "kernels/avx2/vectors.h"

namespace fathom::avx2 {
namespace {

constexpr int kTileRows = 4;
constexpr int64_t kRowsAtOnce = 48;  // whose totals of four panels stay in the second cache
constexpr int64_t kGroups = kScaleBlock / 4;
constexpr int64_t kLine = 64;
constexpr int64_t kPart = kInt8Codes / kStreamedPanels;

/// A row's codes of a block and their magnitudes.
struct Codes {
  int8_t code[kScaleBlock];
  int8_t magnitude[kScaleBlock];
};

void read_codes(const int8_t* from, Codes& to) {
  for (int64_t i = 0; i < kScaleBlock; i += 32) {
    const __m256i codes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + i));
    _mm256_store_si256(reinterpret_cast<__m256i*>(to.code + i), codes);
    _mm256_store_si256(reinterpret_cast<__m256i*>(to.magnitude + i), _mm256_abs_epi8(codes));
  }
}

/// One block of a panel against some rows.
struct Tile {
  const uint8_t* weights;
  const Codes* x;
  const float* scale;   // of each row
  float* total;         // [rows][64]
  const uint8_t* next;  // four parts of what follows, kPart bytes each
  int64_t apart;        // from one to the next
};

__m256i four_codes(const int8_t* codes, int64_t group) {
  return _mm256_set1_epi32(reinterpret_cast<const int32_t*>(codes)[group]);
}

__m256 weight_scales(const uint8_t* block, int64_t lane) {
  return widen_bf16(
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + kInt8Codes + lane * 2)));
}

/// A group of 4 columns: S vectors of 8 outputs against R rows.
template <int R, int S>
inline __attribute__((always_inline)) void add_group(const uint8_t* weights, const Codes* x,
                                                     int64_t group, Sums8 (*sum)[S]) {
  const __m256i flip = _mm256_set1_epi8(static_cast<char>(kInt8Offset));
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i w[S];
#pragma GCC unroll 2
  for (int s = 0; s < S; ++s) {
    w[s] =
        _mm256_xor_si256(flip, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights) + s));
  }
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
    const __m256i code = four_codes(x[r].code, group);
    const __m256i magnitude = four_codes(x[r].magnitude, group);
#pragma GCC unroll 2
    for (int s = 0; s < S; ++s) {
      const __m256i pairs = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(w[s], code));
      sum[r][s] += (Sums8)_mm256_madd_epi16(pairs, ones);
    }
  }
}

/// R rows against V vectors of 8 outputs at a time, S of them together.
template <int R, int V, int S>
void multiply(const Tile& tile) {
  constexpr int64_t kLines = V * 32 / kLine;
  for (int64_t lane = 0; lane < kPanelRows; lane += V * 8) {
    const uint8_t* next = tile.next + lane * 4 / kLine * tile.apart;
    Sums8 sum[V / S][R][S] = {};
    const uint8_t* weights = tile.weights + lane * 4;
    for (int64_t g = 0; g < kGroups; ++g, weights += 4 * kPanelRows) {
#pragma GCC unroll 4
      for (int64_t i = 0; i < kLines; ++i) _mm_prefetch(next + i * tile.apart, _MM_HINT_T0);
      next += kLine;
#pragma GCC unroll 8
      for (int v = 0; v < V / S; ++v) add_group<R, S>(weights + v * S * 32, tile.x, g, sum[v]);
    }
#pragma GCC unroll 8
    for (int i = 0; i < R * V; ++i) {
      const int r = i / V, v = i % V;
      float* total = tile.total + r * kPanelRows + lane + v * 8;
      const __m256 scaled = _mm256_mul_ps(_mm256_cvtepi32_ps((__m256i)sum[v / S][r][v % S]),
                                          weight_scales(tile.weights, lane + v * 8));
      _mm256_store_ps(
          total, _mm256_fmadd_ps(scaled, _mm256_set1_ps(tile.scale[r]), _mm256_load_ps(total)));
    }
  }
}

/// All rows of a block, four at a time.
void block_product(Tile tile, int64_t rows) {
  static constexpr void (*kMultiply[])(const Tile&) = {
      nullptr, multiply<1, 8, 1>, multiply<2, 2, 2>, multiply<3, 2, 2>, multiply<4, 2, 2>};
  for (int64_t tiles = ceil_div(rows, kTileRows); tiles > 0; --tiles) {
    const int64_t count = ceil_div(rows, tiles);
    kMultiply[count](tile);
    rows -= count;
    tile.x += count;
    tile.scale += count;
    tile.total += count * kPanelRows;
    tile.next = tile.weights;  // what follows is on its way
    tile.apart = kPart;
  }
}

/// A thread's working memory.
struct Scratch {
  alignas(32) Codes x[kRowsAtOnce];
  Buffer totals;  // [panels][rows][64]
};

/// Rows [row, row + count) of x against panels, the first of which is `weights`: block after block,
/// so that a block of x serves all of them. Totals [panels][count][64].
const float* multiply_panels(const Activations& x, int64_t row, int64_t count,
                             const uint8_t* weights, int64_t panels, Scratch& memory) {
  const int64_t blocks = ceil_div(x.cols(), kScaleBlock);
  float* totals = grow<float>(memory.totals, panels * count * kPanelRows);
  std::memset(totals, 0, static_cast<size_t>(panels * count * kPanelRows) * sizeof(float));
  for (int64_t b = 0; b < blocks; ++b) {
    float scale[kRowsAtOnce];
    for (int64_t r = 0; r < count; ++r) {
      const auto at = static_cast<size_t>(row + r);
      const int64_t from = x.index.empty() ? static_cast<int64_t>(at) : x.index[at];
      read_codes(x.int8.at(from, b), memory.x[r]);
      scale[r] = x.int8.scale(from, b).scale;
    }
    const auto place = [&](int64_t p, int64_t block) {
      return weights + (p * blocks + block) * kInt8Block;
    };
    for (int64_t p = 0; p < panels; ++p) {
      Tile tile{place(p, b), memory.x, scale, totals + p * count * kPanelRows, nullptr, kPart};
      if (count == 1) {
        // Bound by the memory, which gives four streams more than one.
        tile.next = place(0, b + 1) + p * kPart;
        tile.apart = blocks * kInt8Block;
      } else {
        const bool last = p + 1 == panels;
        tile.next = place(last ? 0 : p + 1, last ? std::min(b + 1, blocks - 1) : b);
      }
      block_product(tile, count);
    }
  }
  return totals;
}

}  // namespace

void int8_linear(const Activations& x, const WeightView& w, int64_t first, int64_t last,
                 Mat<float> y) {
  FATHOM_CHECK(x.numerics == Numerics::kInt8 && w.layout == WeightLayout::kPanels);
  thread_local Scratch memory;
  constexpr int64_t kTogether = kStreamedPanels * kPanelRows;
  for (int64_t begin = first; begin < last; begin += kTogether) {
    const int64_t end = std::min(begin + kTogether, last);
    const uint8_t* weights = static_cast<const uint8_t*>(w.data) +
                             static_cast<size_t>(begin / kPanelRows) * int8_panel_bytes(w.cols);
    const int64_t panels = ceil_div(end - begin, kPanelRows);
    for (int64_t row = 0; row < x.rows(); row += kRowsAtOnce) {
      const int64_t count = std::min(kRowsAtOnce, x.rows() - row);
      const float* totals = multiply_panels(x, row, count, weights, panels, memory);
      for (int64_t p = 0; p < panels; ++p) {
        const int64_t column = begin + p * kPanelRows;
        const auto bytes = static_cast<size_t>(std::min(kPanelRows, end - column)) * sizeof(float);
        for (int64_t r = 0; r < count; ++r, totals += kPanelRows) {
          std::memcpy(y.row(row + r) + (column - first), totals, bytes);
        }
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
  __m256i sums = _mm256_setzero_si256();
  const __m256i in_order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  for (int i = 0; i < kParts; i += 4) {
    __m256i code[4];
    for (int j = 0; j < 4; ++j) {
      code[j] = _mm256_cvtps_epi32(_mm256_mul_ps(values[i + j], inverse));
      sums = _mm256_add_epi32(sums, code[j]);
    }
    const __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(code[0], code[1]),
                                             _mm256_packs_epi32(code[2], code[3]));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes + i * 8),
                        _mm256_permutevar8x32_epi32(bytes, in_order));
  }
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(lanes), sums);
  int32_t sum = 0;
  for (const int32_t lane : lanes) sum += lane;
  return {top / 127.0f, -kInt8Offset * sum};
}

}  // namespace fathom::avx2
