#include "eval/data/csv.h"

#include <algorithm>

#include "base/error.h"

namespace fathom::eval {
namespace {

class CsvParser {
 public:
  CsvParser(std::string_view text, const std::string& where) : text_(text), where_(where) {
    if (text_.starts_with("\xEF\xBB\xBF")) text_.remove_prefix(3);
  }

  std::vector<CsvRow> rows() {
    std::vector<CsvRow> rows;
    while (at_ < text_.size()) {
      CsvRow row{line_, {}};
      do row.cells.push_back(cell());
      while (take(','));
      end_of_row();
      if (row.cells.size() > 1 || !row.cells[0].empty()) rows.push_back(std::move(row));
    }
    return rows;
  }

 private:
  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  void end_of_row() {
    take('\r');
    if (take('\n')) ++line_;
  }

  std::string cell() {
    if (take('"')) return quoted();
    const size_t begin = at_;
    at_ = std::min(text_.find_first_of(",\r\n", at_), text_.size());
    return std::string(text_.substr(begin, at_ - begin));
  }

  std::string quoted() {
    const size_t opened = line_;
    std::string out;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '\n') ++line_;
      if (c != '"') {
        out += c;
      } else if (take('"')) {
        out += '"';
      } else {
        if (at_ < text_.size() && text_.find_first_of(",\r\n", at_) != at_) {
          fail(ErrorKind::kBadInput, "{}, line {}: text after a closing quote, expected a comma",
               where_, line_);
        }
        return out;
      }
    }
    fail(ErrorKind::kBadInput, "{}, line {}: a quote that is never closed", where_, opened);
  }

  std::string_view text_;
  const std::string& where_;
  size_t at_ = 0;
  size_t line_ = 1;
};

}  // namespace

std::vector<CsvRow> parse_csv(std::string_view text, const std::string& where) {
  return CsvParser(text, where).rows();
}

}  // namespace fathom::eval
