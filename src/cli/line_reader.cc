#include "cli/line_reader.h"

#include <editline/readline.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdlib>
#include <iostream>
#include <utility>

namespace fathom::cli {
namespace {

constexpr int kHistoryLines = 1000;

}  // namespace

LineReader::LineReader(std::string history_file)
    : history_file_(std::move(history_file)), terminal_(isatty(STDIN_FILENO) != 0) {
  if (!terminal_) return;
  std::setlocale(LC_CTYPE, "");
  rl_initialize();
  // While a line is edited Ctrl-C is a key like others: it drops the line.
  rl_parse_and_bind("setty -d intr=");
  rl_parse_and_bind("bind ^C ed-start-over");
  using_history();
  stifle_history(kHistoryLines);
  if (!history_file_.empty()) read_history(history_file_.c_str());
}

LineReader::~LineReader() {
  if (terminal_ && !history_file_.empty()) write_history(history_file_.c_str());
}

std::optional<std::string> LineReader::read(const std::string& prompt) {
  if (!terminal_) {
    std::string line;
    if (!std::getline(std::cin, line)) return std::nullopt;
    return line;
  }
  char* line = nullptr;
  do {
    errno = 0;
    line = readline(prompt.c_str());
  } while (line == nullptr && errno == EINTR);  // a signal drops the line as Ctrl-C does
  if (line == nullptr) return std::nullopt;
  std::string result(line);
  std::free(line);
  if (!result.empty()) add_history(result.c_str());
  return result;
}

}  // namespace fathom::cli
