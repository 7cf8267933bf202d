#include <algorithm>
#include <vector>

#include "model/layers.h"
#include "weights/numa_panels.h"

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

// Some columns of silu(gate(x)) * up(x), into the middle and into the form that down takes.
void gate_and_up(Pass& pass, const Placed& p, const Piece& piece, int thread,
                 const Activations& middle) {
  const MlpWeights& w = *p.group.weights;
  const auto [matrix, first, last] = piece;
  const Mat<float> both =
      pass.mlp.tiles[static_cast<size_t>(thread)].get(2 * p.count, last - first);
  const Mat<float> gate = both.rows_from(0, p.count), up = both.rows_from(p.count, p.count);
  pass.kernels().linear(p.in, w.gate, first, last, gate);
  pass.kernels().linear(p.in, w.up, first, last, up);
  const Activations rows = middle.part(p.first, p.count, w.gate.rows);
  for (int64_t i = 0; i < p.count; ++i) {
    // A view of the pass's own scratch memory.
    auto* out = const_cast<float*>(rows.f32.row(i)) + first;
    pass.kernels().swiglu(gate.row_span(i), up.row_span(i), out);
    fill_columns(pass.kernels(), rows, i, first, last);
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
  double ns = 0;  // of each of a group's three products together
  std::vector<int64_t> widths;
  for (const Placed& p : placed) {
    const WeightView& gate = p.group.weights->gate;
    rows = p.first + p.count;
    widest = std::max(widest, gate.rows);
    widths.push_back(gate.rows);
    ns += Pass::product_ns(p.count, gate.rows * gate.cols);
  }
  const Mat<float> middle = pass.mlp.middle.get(rows, widest);
  const Activations in = pass.mlp.middle_in.reserve(pass.numerics(), middle);
  const Pieces columns = pass.cut_in_turns(widths, kBlockPanels);
  pass.share(2 * ns, columns.ends, [&](int64_t item, int thread) {
    const Piece& piece = columns[item];
    gate_and_up(pass, placed[static_cast<size_t>(piece.matrix)], piece, thread, in);
  });

  const Pieces outputs = pass.cut({&y.cols, 1});
  pass.share(ns, outputs.ends, [&](int64_t item, int thread) {
    const auto [matrix, first, last] = outputs[item];
    down(pass, placed, in, first, thread, y.cols_from(first, last - first));
  });
}

}  // namespace fathom
