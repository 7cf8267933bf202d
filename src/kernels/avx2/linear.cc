// y = x W^T, 64 rows of W (a panel) at a time, in F32: a block of 128 columns is widened once to
// floats and meets all rows of x. Each output adds its products in the order of K inside a block
// and each block's sum, scaled, to its total: the same whatever the number of rows of x.
#include <algorithm>
#include <cstring>
#include <vector>

#include "kernels/avx2/int8.h"
#include "kernels/avx2/table.h"
#include "kernels/avx2/vectors.h"
#include "kernels/panel.h"
#include "tensor/buffer.h"

namespace fathom::avx2 {
namespace {

// NOTES: 3 x 4 accumulators, 3 broadcasts and a weight are the 16 registers; 12 chains cover a
// latency of 4 or 5 at 2 a cycle.
constexpr int kTileRows = 3;
constexpr int kTileVectors = 4;
constexpr int64_t kPackChunk = 512;  // bytes of each row packed at a time from a row-major matrix

struct PackArgs {
  const uint8_t* source;  // the first row's first byte
  int64_t stride;         // bytes from row to row
  int64_t rows;           // up to 64
  int64_t row_bytes;      // bytes to take from each row
  bool halves;            // regroup as FP8 asks
};

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

// A panel's columns as floats [columns rounded up to the group][64].
void widen_fp8(const uint8_t* panel, int64_t columns, float* out) {
  const __m128i by_column = _mm_setr_epi8(0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15);
  for (int64_t g = 0; g < ceil_div(columns, 4); ++g) {
    float* to = out + g * 4 * kPanelRows;
    for (int64_t row = 0; row < kPanelRows; row += 8) {
      const auto* from = reinterpret_cast<const __m128i*>(panel + g * 256 + row * 4);
      const __m128i a = _mm_shuffle_epi8(_mm_loadu_si128(from), by_column);
      const __m128i b = _mm_shuffle_epi8(_mm_loadu_si128(from + 1), by_column);
      const __m128i k01 = _mm_unpacklo_epi32(a, b), k23 = _mm_unpackhi_epi32(a, b);
      const __m128i codes[4] = {k01, _mm_srli_si128(k01, 8), k23, _mm_srli_si128(k23, 8)};
      for (int64_t k = 0; k < 4; ++k) {
        _mm256_store_ps(to + k * kPanelRows + row, widen_e4m3(_mm256_cvtepu8_epi32(codes[k])));
      }
    }
  }
}

void widen_pairs(const uint8_t* panel, int64_t columns, float* out) {
  const __m256i upper = _mm256_set1_epi32(static_cast<int>(0xFFFF0000u));
  for (int64_t p = 0; p < ceil_div(columns, 2); ++p) {
    float* to = out + p * 2 * kPanelRows;
    for (int64_t row = 0; row < kPanelRows; row += 8) {
      const __m256i w =
          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(panel + p * 256 + row * 4));
      _mm256_store_ps(to + row, _mm256_castsi256_ps(_mm256_slli_epi32(w, 16)));
      _mm256_store_ps(to + kPanelRows + row, _mm256_castsi256_ps(_mm256_and_si256(w, upper)));
    }
  }
}

/// One block of up to 128 columns against some rows of x.
struct Tile {
  const float* weights;  // [columns][64]
  int64_t columns;
  const float* const* x;  // the rows, at the block's first column
  const float* scale;     // one for each row: weight scale x activation scale
  float* total;           // [rows, 64]
};

template <int R>
void multiply(const Tile& tile) {
  for (int64_t lane = 0; lane < kPanelRows; lane += kTileVectors * 8) {
    __m256 sum[R][kTileVectors] = {};
    const float* x[R];
    for (int r = 0; r < R; ++r) x[r] = tile.x[r];
    for (int64_t k = 0; k < tile.columns; ++k) {
      const float* w = tile.weights + k * kPanelRows + lane;
      __m256 broadcast[R];
#pragma GCC unroll 3
      for (int r = 0; r < R; ++r) broadcast[r] = _mm256_broadcast_ss(x[r] + k);
#pragma GCC unroll 4
      for (int v = 0; v < kTileVectors; ++v) {
        const __m256 weight = _mm256_load_ps(w + v * 8);
#pragma GCC unroll 3
        for (int r = 0; r < R; ++r) sum[r][v] = _mm256_fmadd_ps(weight, broadcast[r], sum[r][v]);
      }
    }
    for (int r = 0; r < R; ++r) {
      const __m256 scale = _mm256_set1_ps(tile.scale[r]);
      for (int v = 0; v < kTileVectors; ++v) {
        float* total = tile.total + r * kPanelRows + lane + v * 8;
        _mm256_store_ps(total, _mm256_fmadd_ps(sum[r][v], scale, _mm256_load_ps(total)));
      }
    }
  }
}

constexpr void (*kTiles[])(const Tile&) = {nullptr, multiply<1>, multiply<2>, multiply<3>};

/// A thread's working memory.
struct Scratch {
  Buffer packed{size_t{kPanelRows} * kPackChunk};
  Buffer widened{size_t{kPanelRows} * kScaleBlock * sizeof(float)};
  Buffer rows;    // of x, one block as floats
  Buffer totals;  // [rows of x, 64]

  static float* reserve(Buffer& buffer, int64_t floats) {
    const auto bytes = static_cast<size_t>(floats) * sizeof(float);
    if (buffer.size() < bytes) buffer = Buffer(bytes);
    return buffer.as<float>();
  }
};

Scratch& scratch() {
  thread_local Scratch instance;
  return instance;
}

/// x as the products take it.
struct Input {
  const Activations& x;
  bool floats;     // F32 rows; else BF16
  bool quantized;  // with scales of their own

  int64_t row(int64_t r) const { return x.index.empty() ? r : x.index[static_cast<size_t>(r)]; }
};

// Where each row's block begins, as floats; BF16 is widened into `memory` [rows, 128].
void block_rows(const Input& in, int64_t k, int64_t columns, float* memory, const float** out) {
  for (int64_t r = 0; r < in.x.rows(); ++r) {
    if (in.floats) {
      out[r] = in.x.f32.row(in.row(r)) + k;
      continue;
    }
    const uint16_t* from = in.x.bf16.at(in.row(r), k / kScaleBlock);
    float* to = memory + r * kScaleBlock;
    for (int64_t i = 0; i < columns; i += 8) {
      _mm256_store_ps(to + i,
                      widen_bf16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i))));
    }
    out[r] = to;
  }
}

// All rows of x against one widened block, number `block` along K.
void block_product(const Input& in, const float* weights, int64_t block, int64_t columns,
                   float weight_scale, const float* const* x, float* totals) {
  const int64_t rows = in.x.rows();
  for (int64_t done = 0; done < rows;) {
    const auto count = static_cast<int>(std::min<int64_t>(kTileRows, rows - done));
    float scale[kTileRows];
    for (int i = 0; i < count; ++i) {
      scale[i] =
          in.quantized ? weight_scale * in.x.scales.row(in.row(done + i))[block] : weight_scale;
    }
    kTiles[count]({weights, columns, x + done, scale, totals + done * kPanelRows});
    done += count;
  }
}

// Totals [rows, 64] of x against rows first .. first + 63 of w.
void panel_product(const Input& in, const WeightView& w, int64_t first, float* totals) {
  Scratch& memory = scratch();
  const int64_t rows = in.x.rows();
  float* row_memory = Scratch::reserve(memory.rows, rows * kScaleBlock);
  thread_local std::vector<const float*> x;
  x.resize(static_cast<size_t>(rows));
  const auto element = static_cast<int64_t>(dtype_size(w.dtype));
  const int64_t row_bytes = w.cols * element;
  const auto* data = static_cast<const uint8_t*>(w.data);
  const bool panels = w.layout == WeightLayout::kPanels;
  for (int64_t k = 0; k < w.cols; k += kScaleBlock) {
    const int64_t columns = std::min(kScaleBlock, w.cols - k);
    const uint8_t* panel = memory.packed.as<uint8_t>();
    if (panels) {
      panel = data + static_cast<size_t>(first / kPanelRows) * panel_bytes(row_bytes) +
              k * element * kPanelRows;
    } else {
      pack({data + first * row_bytes + k * element, row_bytes, std::min(w.rows - first, kPanelRows),
            columns * element, w.dtype == DType::kF8E4M3},
           memory.packed.as<uint8_t>());
    }
    const float* weights = memory.widened.as<float>();
    if (w.dtype == DType::kF8E4M3) {
      widen_fp8(panel, columns, memory.widened.as<float>());
    } else if (w.dtype == DType::kBF16) {
      widen_pairs(panel, columns, memory.widened.as<float>());
    } else {
      weights = reinterpret_cast<const float*>(panel);
    }
    const float scale =
        w.scale ? w.scale[first / kScaleBlock * w.scale_cols() + k / kScaleBlock] : 1.0f;
    block_rows(in, k, columns, row_memory, x.data());
    block_product(in, weights, k / kScaleBlock, columns, scale, x.data(), totals);
  }
}

}  // namespace

void linear(const Activations& x, const WeightView& w, int64_t first, int64_t last, Mat<float> y) {
  FATHOM_CHECK(first % kPanelRows == 0);
  if (w.dtype == DType::kI8) return int8_linear(x, w, first, last, y);
  const bool quantized = x.numerics == Numerics::kW8A8 && w.dtype == DType::kF8E4M3;
  const bool floats = w.dtype == DType::kF32 || (!quantized && x.numerics != Numerics::kNative);
  const Input in{x, floats, quantized};
  const int64_t origin = first;  // y's column 0
  for (; first < last; first += kPanelRows) {
    float* totals = Scratch::reserve(scratch().totals, x.rows() * kPanelRows);
    std::memset(totals, 0, static_cast<size_t>(x.rows() * kPanelRows) * sizeof(float));
    panel_product(in, w, first, totals);
    const auto count = static_cast<size_t>(std::min(last - first, kPanelRows));
    for (int64_t r = 0; r < x.rows(); ++r) {
      std::memcpy(y.row(r) + (first - origin), totals + r * kPanelRows, count * sizeof(float));
    }
  }
}

void pack_panel(const WeightView& w, int64_t panel, std::byte* out) {
  const int64_t row_bytes = w.cols * static_cast<int64_t>(dtype_size(w.dtype));
  const int64_t first = panel * kPanelRows;
  pack({static_cast<const uint8_t*>(w.data) + first * row_bytes, row_bytes,
        std::min(w.rows - first, kPanelRows), row_bytes, w.dtype == DType::kF8E4M3},
       reinterpret_cast<uint8_t*>(out));
}

}  // namespace fathom::avx2
