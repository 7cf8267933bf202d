// The operands of the INT8 product.
//
// Blocks of 128 along K, of a row of activations and of a row of weights alike, are rounded to
// whole numbers from -127 to 127 times a scale of their own. A product adds in whole numbers inside
// a block, which is exact in any order, and blocks in their order:
//
//   total = fma(float(sum of code * code) * weight scale, activation scale, total), from 0
//
// A sum of 128 products stays below 2^24, so that it is a float without rounding. Every set of
// kernels therefore gives the same bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/panel.h"
#include "tensor/mat_view.h"

namespace fathom {

/// Blocks whose largest magnitude is below this become zeros.
inline constexpr float kLeastInt8 = 1e-30f;

/// Codes are stored with this added where they are weights: the processors' products take one
/// unsigned operand.
inline constexpr int kInt8Offset = 128;

/// What belongs to the codes of a block of activations.
struct Int8Scale {
  float scale = 0;  // NaN where the block holds a NaN or an infinity; its codes are then 0
  int32_t offset =
      0;  // -kInt8Offset * sum of codes: what the weights' offset adds to a sum, negated
};

/// Rows of activations, block by block: all rows of a block lie one after another. The last block
/// ends in zeros.
struct Int8Rows {
  const int8_t* codes = nullptr;      // [blocks][block_rows][kScaleBlock]
  const Int8Scale* scales = nullptr;  // [blocks][block_rows]
  int64_t block_rows = 0;

  const int8_t* at(int64_t row, int64_t block) const {
    return codes + (block * block_rows + row) * kScaleBlock;
  }
  const Int8Scale& scale(int64_t row, int64_t block) const {
    return scales[block * block_rows + row];
  }
};

/// A panel of INT8 weights holds, for each block of columns, 64 rows as kernels/panel.h describes
/// them (32 groups of 4 columns, 256 bytes each: the last block is filled up with zeros) and then
/// the rows' scales in BF16: 8320 bytes.
inline constexpr int64_t kInt8Codes = kPanelRows * kScaleBlock;
inline constexpr int64_t kInt8Block = kInt8Codes + kPanelRows * 2;

constexpr size_t int8_panel_bytes(int64_t cols) {
  return static_cast<size_t>(ceil_div(cols, kScaleBlock) * kInt8Block);
}

/// Bytes of a whole matrix in such panels.
constexpr size_t int8_packed_bytes(int64_t rows, int64_t cols) {
  return static_cast<size_t>(ceil_div(rows, kPanelRows)) * int8_panel_bytes(cols);
}

/// Rounds rows 64 * panel and on of a row-major matrix of any type: int8_panel_bytes() of it. A
/// block's scale is its largest magnitude over 127, rounded up to BF16; NaN where that is not
/// finite.
void pack_int8_panel(const WeightView& w, int64_t panel, std::byte* out);

}  // namespace fathom
