#include "api/upstream/event_parser.h"

#include <utility>

#include "base/error.h"

namespace fathom::api {
namespace {

constexpr size_t kMaxEvent = 16 << 20;

}  // namespace

void EventParser::push(std::string_view bytes, const OnData& on_data) {
  if (line_.size() + data_.size() + bytes.size() > kMaxEvent) {
    fail(ErrorKind::kBadInput, "upstream: an event of more than {} bytes", kMaxEvent);
  }
  while (!bytes.empty()) {
    if (std::exchange(after_return_, false) && bytes.front() == '\n') {
      bytes.remove_prefix(1);
      continue;
    }
    const size_t end = bytes.find_first_of("\r\n");
    line_ += bytes.substr(0, end);
    if (end == std::string_view::npos) break;
    after_return_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    const std::string line = std::exchange(line_, {});
    take_line(line, on_data);
  }
}

void EventParser::take_line(std::string_view line, const OnData& on_data) {
  if (line.empty()) {
    if (std::exchange(has_data_, false)) {
      const std::string data = std::exchange(data_, {});
      on_data(data);
    }
    return;
  }
  constexpr std::string_view kField = "data:";
  if (!line.starts_with(kField)) return;
  line.remove_prefix(kField.size());
  if (line.starts_with(' ')) line.remove_prefix(1);
  if (std::exchange(has_data_, true)) data_ += '\n';
  data_ += line;
}

}  // namespace fathom::api
