#include "api/request_log.h"

#include <fmt/format.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cmath>
#include <iterator>
#include <memory>

#include "api/json_body.h"

namespace fathom::api {
namespace {

/// A message that is an object goes into the line as it is, without its braces; any other becomes
/// its "message".
class JsonMessage final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    const std::string_view text(message.payload.data(), message.payload.size());
    const bool object = text.size() > 2 && text.front() == '{' && text.back() == '}';
    const std::string fields = object ? std::string(text.substr(1, text.size() - 2))
                                      : "\"message\":" + dump_json(std::string(text));
    out.append(fields.data(), fields.data() + fields.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<JsonMessage>();
  }
};

/// One line of JSON, put together by hand: every request writes one.
class Line {
 public:
  void add(std::string_view name, std::string_view value) {
    open(name);
    append_json(text_, value);
  }
  void add(std::string_view name, int64_t value) {
    open(name);
    text_ += std::to_string(value);
  }
  void add_milliseconds(std::string_view name, double seconds) {
    open(name);
    fmt::format_to(std::back_inserter(text_), "{}", std::round(seconds * 1e6) / 1e3);
  }
  const std::string& end() { return text_ += '}'; }

 private:
  void open(std::string_view name) {
    text_ += text_.empty() ? "{\"" : ",\"";
    text_ += name;
    text_ += "\":";
  }
  std::string text_;
};

}  // namespace

void log_request(const RequestRecord& record) {
  Line line;
  line.add("event", "request");
  line.add("request_id", record.id);
  line.add("peer", record.peer);
  line.add("method", record.method);
  line.add("path", record.path);
  line.add("status", record.status);
  line.add_milliseconds("ms", record.seconds);
  if (!record.key.empty()) line.add("key", record.key);
  if (!record.error.empty()) line.add("error", record.error);
  if (record.prompt_tokens >= 0) {
    line.add("prompt_tokens", record.prompt_tokens);
    line.add("cache_hit_tokens", record.cache_hit_tokens);
    line.add("completion_tokens", record.completion_tokens);
    line.add_milliseconds("first_token_ms", record.first_token_seconds);
    line.add("outcome", record.outcome);
  }
  if (!record.text.empty()) line.add("body", record.text);
  spdlog::info("{}", line.end());
}

void log_as_json() {
  auto logger =
      std::make_shared<spdlog::logger>("fathom", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
  formatter->add_flag<JsonMessage>('*').set_pattern(
      "{\"time\":\"%Y-%m-%dT%H:%M:%S.%eZ\",\"level\":\"%l\",%*}");
  logger->set_formatter(std::move(formatter));
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace fathom::api
