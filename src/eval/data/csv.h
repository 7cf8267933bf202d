// Comma-separated values as spreadsheets and pandas write them (RFC 4180).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fathom::eval {

struct CsvRow {
  size_t line = 0;  ///< where it begins, from 1
  std::vector<std::string> cells;
};

/// All rows; quoted cells may hold commas, doubled quotes and line ends. A byte order mark and
/// blank lines are passed over. Throws Error(kBadInput) naming `where` and the line for a quote
/// that isn't closed or has text behind it.
std::vector<CsvRow> parse_csv(std::string_view text, const std::string& where);

}  // namespace fathom::eval
