#include <algorithm>
#include <vector>

#include "model/layers.h"

namespace fathom {
namespace {

// A group with its rows of the middle: those of all groups lie one after another.
struct Placed {
  const MlpGroup& group;
  int64_t first;  // row of the middle
  int64_t count;
  Activations in;
};

std::vector<Placed> place(std::span<const MlpGroup> groups, const Activations& x) {
  std::vector<Placed> placed;
  int64_t first = 0;
  for (const MlpGroup& group : groups) {
    const int64_t count = group.rows.empty() ? x.rows() : static_cast<int64_t>(group.rows.size());
    placed.push_back({group, first, count, x});
    placed.back().in.index = group.rows;
    first += count;
  }
  return placed;
}

// Some columns of silu(gate(x)) * up(x).
void gate_and_up(Pass& pass, const Placed& p, const Piece& piece, int thread, Mat<float> middle) {
  const MlpWeights& w = *p.group.weights;
  const auto [matrix, first, last] = piece;
  const Mat<float> both =
      pass.mlp.tiles[static_cast<size_t>(thread)].get(2 * p.count, last - first);
  const Mat<float> gate = both.rows_from(0, p.count), up = both.rows_from(p.count, p.count);
  pass.kernels().linear(p.in, w.gate, first, last, gate);
  pass.kernels().linear(p.in, w.up, first, last, up);
  for (int64_t i = 0; i < p.count; ++i) {
    pass.kernels().swiglu(gate.row_span(i), up.row_span(i), middle.row(p.first + i) + first);
  }
}

// Columns of every group's down, added up: as many as y has, the first of them `first`.
void down(Pass& pass, std::span<const Placed> placed, const Activations& middle, int64_t first,
          int thread, Mat<float> y) {
  const int64_t width = y.cols;
  for (int64_t r = 0; r < y.rows; ++r) std::fill_n(y.row(r), width, 0.0f);
  for (const Placed& p : placed) {
    const MlpWeights& w = *p.group.weights;
    const Mat<float> tile = pass.mlp.tiles[static_cast<size_t>(thread)].get(p.count, width);
    pass.kernels().linear(middle.part(p.first, p.count, w.down.cols), w.down, first, first + width,
                          tile);
    for (int64_t i = 0; i < p.count; ++i) {
      const auto at = static_cast<size_t>(i);
      float* sum = y.row(p.group.rows.empty() ? i : p.group.rows[at]);
      const float factor = p.group.factors.empty() ? 1.0f : p.group.factors[at];
      for (int64_t c = 0; c < width; ++c) sum[c] += factor * tile.row(i)[c];
    }
  }
}

}  // namespace

void mlps(Pass& pass, std::span<const MlpGroup> groups, const Activations& x, Mat<float> y) {
  const std::vector<Placed> placed = place(groups, x);
  int64_t rows = 0, widest = 0;
  std::vector<Pass::Share> shares;
  for (const Placed& p : placed) {
    rows = p.first + p.count;
    widest = std::max(widest, p.group.weights->gate.rows);
    shares.push_back({p.group.weights->gate.rows, p.count});
  }
  const Mat<float> middle = pass.mlp.middle.get(rows, widest);
  const std::span<const Piece> columns = pass.cut(shares);
  pass.pool().run(static_cast<int64_t>(columns.size()), [&](int64_t item, int thread) {
    const Piece& piece = columns[static_cast<size_t>(item)];
    gate_and_up(pass, placed[static_cast<size_t>(piece.matrix)], piece, thread, middle);
  });

  const Activations in = pass.mlp.middle_in.reserve(pass.numerics(), middle);
  pass.for_rows(rows, [&](int64_t row, int) {
    const auto after = std::upper_bound(placed.begin(), placed.end(), row,
                                        [](int64_t r, const Placed& p) { return r < p.first; });
    const Placed& p = *(after - 1);
    fill_row(pass.kernels(), in.part(row, 1, p.group.weights->gate.rows), 0);
  });
  const Pass::Share out{y.cols, rows / static_cast<int64_t>(placed.size())};
  const std::span<const Piece> outputs = pass.cut({&out, 1});
  pass.pool().run(static_cast<int64_t>(outputs.size()), [&](int64_t item, int thread) {
    const auto [matrix, first, last] = outputs[static_cast<size_t>(item)];
    down(pass, placed, in, first, thread, y.cols_from(first, last - first));
  });
}

}  // namespace fathom
