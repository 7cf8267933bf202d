#include <cmath>
#include <cstring>

#include "train/simd/table.h"

namespace fathom::train {
namespace {

#include "train/simd/lanes.inc"

/// One row of C over one block of K, in F32 lanes.
void row_block(const uint32_t* a, int64_t k_stride, const uint32_t* b, int64_t pairs, float* acc) {
  for (int64_t k = 0; k < pairs; ++k) {
    const float low = float_of(a[k * k_stride] << 16);
    const float high = float_of(a[k * k_stride] & 0xFFFF0000u);
    const uint32_t* right = b + k * kPanel;
#pragma omp simd
    for (int64_t j = 0; j < kPanel; ++j) {
      acc[j] += low * float_of(right[j] << 16) + high * float_of(right[j] & 0xFFFF0000u);
    }
  }
}

void product(const Product& p) {
  const bool scaled = p.a.scale != nullptr;
  const int64_t step = scaled ? kBlockPairs : p.pairs;
  for (int64_t panel = p.panel0; panel < p.panel1; ++panel) {
    const int64_t cols = p.cols - panel * kPanel < kPanel ? p.cols - panel * kPanel : kPanel;
    const uint32_t* b = p.b.data + panel * p.b.panel_stride;
    for (int64_t row = p.row0; row < p.row1; ++row) {
      const uint32_t* a =
          p.a.data + row / kPanel * p.a.panel_stride + row % kPanel * p.a.row_stride;
      float* c = p.c + (row - p.row0) * p.ldc + panel * kPanel;
      for (int64_t k = 0; k < p.pairs; k += step) {
        const int64_t pairs = p.pairs - k < step ? p.pairs - k : step;
        alignas(32) float acc[kPanel] = {};
        row_block(a + k * p.a.k_stride, p.a.k_stride, b + k * p.b.k_stride, pairs, acc);
        const bool add = p.accumulate || k > 0;
        const bool round = p.round_bf16 && k + pairs == p.pairs;
        const float* b_scale = scaled ? p.b.scale + panel * p.b.scale_panel + k : nullptr;
        const float a_scale =
            scaled ? p.a.scale[row / kPanel * p.a.scale_panel + row % kPanel * p.a.scale_row +
                               k / kBlockPairs * p.a.scale_k]
                   : 1.0f;
        for (int64_t j = 0; j < cols; ++j) {
          float x = scaled ? acc[j] * (a_scale * b_scale[j]) : acc[j];
          if (add) x += c[j];
          c[j] = round ? float_of(bf16_bits(x) << 16) : x;
        }
      }
    }
  }
}

}  // namespace

constinit const Table kAvx2Table = FATHOM_LANES_TABLE("avx2", product);

}  // namespace fathom::train
