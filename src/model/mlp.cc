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
  int64_t width;  // of the intermediate, that is computed at a time
  Activations in;

  int64_t items() const { return ceil_div(group.weights->gate.rows, width); }
};

std::vector<Placed> place(const Pass& pass, std::span<const MlpGroup> groups,
                          const Activations& x) {
  std::vector<Placed> placed;
  const auto pieces = static_cast<int64_t>(groups.size());
  int64_t first = 0;
  for (const MlpGroup& group : groups) {
    const int64_t count = group.rows.empty() ? x.rows() : static_cast<int64_t>(group.rows.size());
    const int64_t panels = ceil_div(group.weights->gate.rows, kPanelRows);
    placed.push_back({group, first, count, pass.outputs_at_once(count, panels * pieces), x});
    placed.back().in.index = group.rows;
    first += count;
  }
  return placed;
}

// Columns of silu(gate(x)) * up(x).
void gate_and_up(Pass& pass, const Placed& p, int64_t item, int thread, Mat<float> middle) {
  const MlpWeights& w = *p.group.weights;
  const int64_t first = item * p.width;
  const int64_t width = std::min(p.width, w.gate.rows - first);
  const Mat<float> both = pass.mlp.tiles[static_cast<size_t>(thread)].get(2 * p.count, width);
  const Mat<float> gate = both.rows_from(0, p.count), up = both.rows_from(p.count, p.count);
  pass.kernels().linear(p.in, w.gate, first, first + width, gate);
  pass.kernels().linear(p.in, w.up, first, first + width, up);
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
  const std::vector<Placed> placed = place(pass, groups, x);
  int64_t rows = 0, widest = 0;
  std::vector<int64_t> ends;  // items up to and with each group
  for (const Placed& p : placed) {
    rows = p.first + p.count;
    widest = std::max(widest, p.group.weights->gate.rows);
    ends.push_back((ends.empty() ? 0 : ends.back()) + p.items());
  }
  const Mat<float> middle = pass.mlp.middle.get(rows, widest);
  pass.pool().run(ends.back(), [&](int64_t item, int thread) {
    const auto g =
        static_cast<size_t>(std::upper_bound(ends.begin(), ends.end(), item) - ends.begin());
    gate_and_up(pass, placed[g], item - (ends[g] - placed[g].items()), thread, middle);
  });

  const Activations in = pass.mlp.middle_in.reserve(pass.numerics(), middle);
  pass.for_rows(rows, [&](int64_t row, int) {
    const auto after = std::upper_bound(placed.begin(), placed.end(), row,
                                        [](int64_t r, const Placed& p) { return r < p.first; });
    const Placed& p = *(after - 1);
    fill_row(pass.kernels(), in.part(row, 1, p.group.weights->gate.rows), 0);
  });
  const int64_t width = pass.outputs_at_once(rows / static_cast<int64_t>(placed.size()),
                                             ceil_div(y.cols, kPanelRows));
  pass.pool().run(ceil_div(y.cols, width), [&](int64_t item, int thread) {
    const int64_t begin = item * width;
    down(pass, placed, in, begin, thread, y.cols_from(begin, std::min(width, y.cols - begin)));
  });
}

}  // namespace fathom
