// The linear assignment problem, in the size of a list of answer spans.
#pragma once

#include <cstddef>
#include <vector>

namespace fathom::eval {

/// `scores` is [rows, columns], row-major, no entry negative. Each row takes at most one column and
/// each column at most one row, min(rows, columns) pairs in all, so that the sum is largest.
/// Returns each row's score, 0 for a row without a column. Time rows * columns * max(rows,
/// columns).
std::vector<double> best_assignment(const std::vector<double>& scores, size_t rows, size_t columns);

}  // namespace fathom::eval
