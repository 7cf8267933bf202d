// The layout in which weights stream fastest.
//
// A matrix [rows, cols] is cut into panels of 64 rows. A panel holds, for each group of 4 bytes
// along the row (4 columns of FP8, 2 of BF16, 1 of F32), that group of all its 64 rows: 256
// bytes. Rows past the last and bytes past the row's end are zero.
//
// In what order is each set's own, which reads what it packed. Ref and avx512 keep a group's rows
// together, in FP8 each 16 bytes (4 rows) regrouped as the rows' first halves, then their second
// halves, so that one interleave widens them to pairs of BF16; avx2 has strips (avx2/pack.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tensor/mat_view.h"

namespace fathom {

inline constexpr int64_t kPanelRows = 64;
inline constexpr size_t kPanelAlignment = 64;  ///< bytes

/// Products of at most this many rows of activations are bound by reading weights.
inline constexpr int64_t kStreamedRows = 6;

/// Panels that a thread is best given together: those products read fastest from several at once.
inline constexpr int64_t kStreamedPanels = 4;

/// Bytes of one panel of a matrix with rows of `row_bytes`.
constexpr size_t panel_bytes(int64_t row_bytes) {
  return static_cast<size_t>(ceil_div(row_bytes, 4)) * 4 * kPanelRows;
}

/// Bytes of a whole matrix in panels.
constexpr size_t packed_bytes(int64_t rows, int64_t row_bytes) {
  return static_cast<size_t>(ceil_div(rows, kPanelRows)) * panel_bytes(row_bytes);
}

/// Some rows of a row-major matrix, to be written as a panel or a part of one along K.
struct PackArgs {
  const uint8_t* source;  ///< the first row's first byte
  int64_t stride;         ///< bytes from row to row
  int64_t rows;           ///< up to kPanelRows
  int64_t row_bytes;      ///< bytes to take from each row
  bool halves = false;    ///< regroup as said of FP8
};

/// Whether a panel may lie there.
bool is_panel_place(const void* at);

/// Whether any of these codes of E4M3 is a NaN.
bool holds_nan(std::span<const std::byte> codes);

}  // namespace fathom
