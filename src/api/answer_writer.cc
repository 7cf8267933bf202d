#include "api/answer_writer.h"

#include <fmt/format.h>

#include "api/answer_bodies.h"

namespace fathom::api {

Json usage_json(const AnswerResult& result) {
  const int64_t prompt = result.prompt_hit + result.prompt_miss;
  Json usage = {{"prompt_tokens", prompt},
                {"completion_tokens", result.completion},
                {"total_tokens", prompt + result.completion},
                {"prompt_tokens_details", {{"cached_tokens", result.prompt_hit}}},
                {"prompt_cache_hit_tokens", result.prompt_hit},
                {"prompt_cache_miss_tokens", result.prompt_miss}};
  if (result.draft_tokens > 0) {
    usage["completion_tokens_details"] = {
        {"accepted_prediction_tokens", result.accepted_tokens},
        {"rejected_prediction_tokens", result.draft_tokens - result.accepted_tokens}};
  }
  return usage;
}

std::string EventStream::keep_alive() const { return ": keep-alive\n\n"; }
std::string EventStream::error(const ApiError& error) const {
  return "data: " + error.body() + "\n\n";
}

EventStream::EventStream(const AnswerHead& head, std::string_view object, bool include_usage)
    : opening_(fmt::format("data: {{\"id\":{},\"object\":\"{}\",\"created\":{},\"model\":{},"
                           "\"system_fingerprint\":{},\"choices\":[",
                           dump_json(head.id), object, head.created, dump_json(head.model),
                           dump_json(head.fingerprint))),
      include_usage_(include_usage),
      closing_(include_usage ? "],\"usage\":null}\n\n" : "]}\n\n") {}

void EventStream::open_chunk(std::string& out, int index) const {
  out.reserve(out.size() + opening_.size() + 256);
  out += opening_;
  out += "{\"index\":";
  out += std::to_string(index);
}

void EventStream::close_chunk(std::string& out, std::string_view finish_reason) const {
  out += ",\"finish_reason\":";
  if (finish_reason.empty()) {
    out += "null";
  } else {
    append_json(out, finish_reason);
  }
  out += '}';
  out += closing_;
}

std::string EventStream::end(const AnswerResult& result) {
  std::string out;
  if (include_usage_) out = opening_ + "],\"usage\":" + usage_json(result).dump() + "}\n\n";
  return out + "data: [DONE]\n\n";
}

Json WholeBody::body(const AnswerResult& result, std::string_view object, Json choices) const {
  return {{"id", head_.id},
          {"object", object},
          {"created", head_.created},
          {"model", head_.model},
          {"choices", std::move(choices)},
          {"usage", usage_json(result)},
          {"system_fingerprint", head_.fingerprint}};
}

}  // namespace fathom::api
