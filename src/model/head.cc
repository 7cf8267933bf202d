#include "model/head.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tensor/float_formats.h"

namespace fathom {
namespace {

// Chosen panels are read one row at a time. From this share of them on, all rows at once are
// cheaper.
constexpr int64_t kMostChosen = 4;  // one of so many

// Where logits lie that close together, as those of random weights do for draws at temperature 0,
// the next ones are likely to: so many passes do without the outline.
constexpr int kPassesWithout = 15;

/// The length (L2) of what a product with the head takes of row r of x, and of what its codes lack
/// of it.
struct Lengths {
  double whole = 0;
  double lost = 0;
};

Lengths lengths_of(const Activations& x, const Activations& codes, int64_t r, DType head) {
  const bool rounded = x.numerics == Numerics::kNative && head == DType::kBF16;
  Lengths sums;
  for (int64_t i = 0; i < x.cols(); ++i) {
    const int64_t block = i / kScaleBlock, at = i % kScaleBlock;
    const double value = rounded ? bf16_to_f32(x.bf16.at(r, block)[at]) : x.f32.row(r)[i];
    const double code = codes.int8.at(r, block)[at] * double{codes.int8.scale(r, block).scale};
    sums.whole += value * value;
    sums.lost += (value - code) * (value - code);
  }
  return {std::sqrt(sums.whole), std::sqrt(sums.lost)};
}

}  // namespace

Mat<const float> Head::project(std::span<const LogitRow> rows, const WeightView& head,
                               const HeadOutline& outline) {
  const auto count = std::ssize(rows);
  const Mat<float> logits = logits_.get(count, head.rows);
  if (count == 0) return logits;
  const Mat<float> hidden = hidden_.get(count, head.cols);
  for (int64_t r = 0; r < count; ++r) {
    std::copy_n(rows[static_cast<size_t>(r)].hidden, head.cols, hidden.row(r));
  }
  const Activations x = pass_.prepare(in_, hidden);
  if (worth_choosing(rows, outline)) {
    if (choose(rows, x, head, outline, logits)) return logits;
    passes_without_ = kPassesWithout;
  }
  pass_.linear(x, head, logits);
  return logits;
}

bool Head::worth_choosing(std::span<const LogitRow> rows, const HeadOutline& outline) {
  const bool chosen =
      std::ranges::all_of(rows, [](const LogitRow& row) { return row.choice != nullptr; });
  if (!outline || !chosen || std::ssize(rows) > kOutlinedRows) return false;
  if (passes_without_ == 0) return true;
  --passes_without_;
  return false;
}

// False when too many are chosen.
bool Head::choose(std::span<const LogitRow> rows, const Activations& x, const WeightView& head,
                  const HeadOutline& outline, Mat<float> logits) {
  const Activations codes = codes_in_.prepare(pass_.kernels(), Numerics::kInt8, x.f32);
  pass_.linear(codes, outline.codes, logits);
  chosen_.clear();
  parts_.clear();
  for (int64_t r = 0; r < logits.rows; ++r) {
    choose_row(rows[static_cast<size_t>(r)], x, codes, r, head.dtype, outline, logits);
  }
  if (std::ssize(parts_) * kPanelRows * kMostChosen > head.rows) return false;

  const Mat<float> exact = exact_.get(std::ssize(parts_), kPanelRows);
  const double ns = Pass::product_ns(1, kPanelRows * head.cols);
  pass_.share(ns * static_cast<double>(parts_.size()), std::ssize(parts_), [&](int64_t i, int) {
    const Part& part = parts_[static_cast<size_t>(i)];
    const int64_t first = part.panel * kPanelRows;
    const int64_t last = std::min(first + kPanelRows, head.rows);
    pass_.kernels().linear(x.part(part.row, 1, head.cols), head, first, last,
                           exact.rows_from(i, 1).cols_from(0, last - first));
  });
  for (int64_t r = 0; r < logits.rows; ++r) {
    std::ranges::fill(logits.row_span(r), -std::numeric_limits<float>::infinity());
  }
  for (size_t i = 0; i < parts_.size(); ++i) {
    const Part& part = parts_[i];
    for (size_t at = part.first; at < part.last; ++at) {
      const int32_t id = chosen_[at];
      logits.row(part.row)[id] = exact.row(static_cast<int64_t>(i))[id % kPanelRows];
    }
  }
  return true;
}

void Head::choose_row(const LogitRow& row, const Activations& x, const Activations& codes,
                      int64_t r, DType head, const HeadOutline& outline,
                      Mat<const float> estimates) {
  const Mat<float> margin = margin_.get(1, estimates.cols);
  const Lengths lengths = lengths_of(x, codes, r, head);
  bound_estimates(outline, lengths.whole, lengths.lost, margin.row_span(0));
  size_t at = chosen_.size();
  row.choice->choose(row.row, estimates.row_span(r), margin.row_span(0), chosen_);
  while (at < chosen_.size()) {
    const int64_t panel = chosen_[at] / kPanelRows;
    const size_t first = at;
    while (at < chosen_.size() && chosen_[at] / kPanelRows == panel) ++at;
    parts_.push_back({r, panel, first, at});
  }
}

}  // namespace fathom
