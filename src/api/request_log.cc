#include "api/request_log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cmath>
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

double milliseconds(double seconds) { return std::round(seconds * 1e6) / 1e3; }

}  // namespace

void log_request(const RequestRecord& record) {
  Json line = {{"event", "request"},
               {"request_id", record.id},
               {"peer", record.peer},
               {"method", record.method},
               {"path", record.path},
               {"status", record.status},
               {"ms", milliseconds(record.seconds)}};
  if (!record.key.empty()) line["key"] = record.key;
  if (!record.error.empty()) line["error"] = record.error;
  if (record.prompt_tokens >= 0) {
    line["prompt_tokens"] = record.prompt_tokens;
    line["cache_hit_tokens"] = record.cache_hit_tokens;
    line["completion_tokens"] = record.completion_tokens;
    line["first_token_ms"] = milliseconds(record.first_token_seconds);
    line["outcome"] = record.outcome;
  }
  if (!record.text.empty()) line["body"] = record.text;
  spdlog::info(dump_json(line));
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
