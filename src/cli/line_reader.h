// Lines from a person at a terminal, with editing and history, or from a pipe.
#pragma once

#include <optional>
#include <string>

namespace fathom::cli {

class LineReader {
 public:
  /// `history_file` keeps lines between runs; empty: none.
  explicit LineReader(std::string history_file);
  ~LineReader();
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  /// The next line without its end; nothing at the end of input. Ctrl-C gives an empty line.
  std::optional<std::string> read(const std::string& prompt);

 private:
  std::string history_file_;
  bool terminal_;
};

}  // namespace fathom::cli
