#include "eval/scorers/assignment.h"

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace fathom::eval {

// The Hungarian method by shortest augmenting paths over a square of costs, filled up with zeros.
std::vector<double> best_assignment(const std::vector<double>& scores, size_t rows,
                                    size_t columns) {
  FATHOM_CHECK(scores.size() == rows * columns);
  const size_t n = std::max(rows, columns);
  const auto cost = [&](size_t row, size_t column) {  // counted from 1; 0 is the root of a path
    return row <= rows && column <= columns ? -scores[(row - 1) * columns + column - 1] : 0.0;
  };
  std::vector<double> row_price(n + 1, 0), column_price(n + 1, 0);
  std::vector<size_t> row_of(n + 1, 0), previous(n + 1, 0);
  for (size_t start = 1; start <= n; ++start) {
    std::vector<double> slack(n + 1, std::numeric_limits<double>::infinity());
    std::vector<bool> visited(n + 1, false);
    row_of[0] = start;
    size_t at = 0;
    while (row_of[at] != 0) {
      visited[at] = true;
      const size_t row = row_of[at];
      double step = std::numeric_limits<double>::infinity();
      size_t next = 0;
      for (size_t column = 1; column <= n; ++column) {
        if (visited[column]) continue;
        const double reduced = cost(row, column) - row_price[row] - column_price[column];
        if (reduced < slack[column]) {
          slack[column] = reduced;
          previous[column] = at;
        }
        if (slack[column] < step) {
          step = slack[column];
          next = column;
        }
      }
      for (size_t column = 0; column <= n; ++column) {
        if (visited[column]) {
          row_price[row_of[column]] += step;
          column_price[column] -= step;
        } else {
          slack[column] -= step;
        }
      }
      at = next;
    }
    for (; at != 0; at = previous[at]) row_of[at] = row_of[previous[at]];
  }
  std::vector<double> taken(rows, 0);
  for (size_t column = 1; column <= columns; ++column) {
    const size_t row = row_of[column];
    if (row >= 1 && row <= rows) taken[row - 1] = scores[(row - 1) * columns + column - 1];
  }
  return taken;
}

}  // namespace fathom::eval
