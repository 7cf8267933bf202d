#include "train/operand.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "base/check.h"

namespace fathom::train {

void ensure(Buffer& buffer, int64_t bytes) {
  if (static_cast<int64_t>(buffer.size()) < bytes) buffer = Buffer(static_cast<size_t>(bytes));
}

namespace {

SourceRows source(const Dense<float>& d) { return {d.x, d.ld, d.index, d.rows, d.cols}; }

}  // namespace

template <typename T>
void Rows<T>::shape(const Dense<T>& source, Format as) {
  dense = source;
  format = as;
  if (as == Format::kDense) return;
  ld = (source.cols + 1) / 2;
  blocks = round_up(source.cols, 128) / 128;
  ensure(words, source.rows * ld * 4);
  if (as == Format::kFP8) ensure(scale, source.rows * blocks * 4);
}

template <typename T>
void Rows<T>::fill(int64_t first, int64_t count, ScaleKind kind, uint8_t* codes) {
  if (format == Format::kDense || count <= 0) return;
  if constexpr (std::is_same_v<T, float>) {
    const SourceRows rows = source(dense.range(first, count));
    uint32_t* out = words.as<uint32_t>() + first * ld;
    if (format == Format::kBF16) {
      table().rows_bf16(rows, out, ld);
    } else {
      table().rows_fp8(rows, kind, out, ld, scale.as<float>() + first * blocks, blocks,
                       codes ? codes + first * dense.cols : nullptr);
    }
  }
}

template <typename T>
void Rows<T>::assign(ThreadPool& pool, const Dense<T>& source, Format as, ScaleKind kind) {
  shape(source, as);
  if (as == Format::kDense) return;
  pool.run(round_up(source.rows, kTileRows) / kTileRows, [&](int64_t tile, int) {
    const int64_t first = tile * kTileRows;
    fill(first, std::min(kTileRows, source.rows - first), kind);
  });
}

template <typename T>
void Rows<T>::gather(const Rows& from, int64_t first, int64_t count) {
  if (format == Format::kDense) return;
  for (int64_t i = first; i < first + count; ++i) {
    const int32_t at = dense.index ? dense.index[i] : static_cast<int32_t>(i);
    uint32_t* out = words.as<uint32_t>() + i * ld;
    if (at < 0) {
      std::memset(out, 0, static_cast<size_t>(ld) * 4);
      if (format == Format::kFP8) {
        std::memset(scale.as<float>() + i * blocks, 0, static_cast<size_t>(blocks) * 4);
      }
      continue;
    }
    std::memcpy(out, from.words.template as<uint32_t>() + at * ld, static_cast<size_t>(ld) * 4);
    if (format == Format::kFP8) {
      std::memcpy(scale.as<float>() + i * blocks, from.scale.template as<float>() + at * blocks,
                  static_cast<size_t>(blocks) * 4);
    }
  }
}

template <typename T>
Side Rows<T>::side() const {
  Side s;
  s.data = words.as<uint32_t>();
  s.row_stride = ld;
  s.k_stride = 1;
  s.panel_stride = kPanel * ld;
  s.scale = format == Format::kFP8 ? scale.as<float>() : nullptr;
  s.scale_row = blocks;
  s.scale_k = 1;
  s.scale_panel = kPanel * blocks;
  return s;
}

template <typename T>
void Pairs<T>::shape(const Dense<T>& source, Format as) {
  dense = source;
  format = as;
  padded = round_up(source.rows, kTileRows);
  if (as == Format::kDense) return;
  const int64_t panels = round_up(source.cols, kPanel) / kPanel;
  ensure(words, panels * padded / 2 * kPanel * 4);
  if (as == Format::kFP8) ensure(scale, panels * padded / kTileRows * kPanel * 4);
}

template <typename T>
void Pairs<T>::fill(int64_t tile, const Dense<T>& from, ScaleKind kind) {
  if (format == Format::kDense) return;
  FATHOM_CHECK(from.rows <= kTileRows);
  if constexpr (std::is_same_v<T, float>) {
    uint32_t* out = words.as<uint32_t>() + tile * kTileRows / 2 * kPanel;
    const int64_t panel_stride = padded / 2 * kPanel;
    if (format == Format::kBF16) {
      table().pairs_bf16(source(from), out, panel_stride);
    } else {
      table().pairs_fp8(source(from), kind, out, panel_stride, scale.as<float>() + tile * kPanel,
                        padded / kTileRows * kPanel);
    }
    const int64_t written = (from.rows + 1) / 2;
    if (written == kTileRows / 2) return;
    for (int64_t j = 0; j < from.cols; j += kPanel) {
      std::memset(out + j / kPanel * panel_stride + written * kPanel, 0,
                  static_cast<size_t>((kTileRows / 2 - written) * kPanel) * 4);
    }
  }
}

template <typename T>
void Pairs<T>::assign(ThreadPool& pool, const Dense<T>& from, Format as, ScaleKind kind) {
  shape(from, as);
  if (as == Format::kDense) return;
  pool.run(padded / kTileRows, [&](int64_t tile, int) {
    const int64_t first = tile * kTileRows;
    fill(tile, from.range(first, std::min(kTileRows, from.rows - first)), kind);
  });
}

template <typename T>
Side Pairs<T>::side(int64_t tile) const {
  Side s;
  s.data = words.as<uint32_t>() + tile * kTileRows / 2 * kPanel;
  s.row_stride = 1;
  s.k_stride = kPanel;
  s.panel_stride = padded / 2 * kPanel;
  s.scale = format == Format::kFP8 ? scale.as<float>() + tile * kPanel : nullptr;
  s.scale_row = 1;
  s.scale_k = kPanel;
  s.scale_panel = padded / kTileRows * kPanel;
  return s;
}

template struct Rows<float>;
template struct Rows<double>;
template struct Pairs<float>;
template struct Pairs<double>;

}  // namespace fathom::train
