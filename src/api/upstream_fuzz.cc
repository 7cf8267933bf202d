// Any bytes as another server's stream: events that add up, or an Error.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "api/upstream/answer_reader.h"
#include "api/upstream/event_parser.h"
#include "api/upstream/upstream_error.h"
#include "base/check.h"
#include "base/error.h"

namespace {

using namespace fathom;
using namespace fathom::api;

std::vector<std::string> events_of(std::string_view bytes, size_t step) {
  std::vector<std::string> events;
  EventParser parser;
  while (!bytes.empty()) {
    parser.push(bytes.substr(0, step), [&](std::string_view data) { events.emplace_back(data); });
    bytes.remove_prefix(std::min(step, bytes.size()));
  }
  return events;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  upstream_words(bytes);
  response_problem(size > 0 ? 300 + data[0] : 500, bytes);
  const std::vector<std::string> events = events_of(bytes, std::max<size_t>(1, size));
  FATHOM_CHECK(events == events_of(bytes, 3));

  AnswerReader reader({.choices = 2,
                       .parse_calls = size % 2 == 0,
                       .prompt_estimate = 1,
                       .estimate = [](const std::string& text) { return std::ssize(text) / 4; }});
  int64_t tokens = 0;
  std::vector<bool> ended(2, false);
  const auto check = [&](const std::vector<AnswerEvent>& given) {
    for (const AnswerEvent& event : given) {
      FATHOM_CHECK(event.choice >= 0 && event.choice < 2);
      FATHOM_CHECK(event.tokens >= 0);
      tokens += event.tokens;
      if (event.finish_reason.empty()) continue;
      FATHOM_CHECK(!ended[event.choice]);
      ended[event.choice] = true;
    }
  };
  try {
    for (const std::string& event : events) {
      const Json json = parse_json(event);
      if (is_error(json)) {
        body_problem(json);
        break;
      }
      check(reader.take(json));
    }
  } catch (const Error&) {
    return 0;
  }
  check(reader.finish(""));
  FATHOM_CHECK(reader.complete() && ended[0] && ended[1]);
  const AnswerResult result = reader.result();
  FATHOM_CHECK(result.prompt_hit >= 0 && result.prompt_miss >= 0 && result.completion >= 0);
  return 0;
}
