#include "api/generation_fields.h"

#include <fmt/format.h>

#include <charconv>

#include "api/api_error.h"

namespace fathom::api {
namespace {

std::vector<std::string> read_stop(const Fields& body) {
  const Json* stop = body.find("stop");
  if (!stop) return {};
  if (stop->is_string()) return {stop->get<std::string>()};
  if (!stop->is_array()) wrong_type("stop", *stop, "a string or a sequence of strings");
  if (stop->size() > kMaxStops) {
    throw invalid_request(fmt::format("Invalid stop value, {} strings, expected at most {}",
                                      stop->size(), kMaxStops));
  }
  std::vector<std::string> strings;
  for (size_t i = 0; i < stop->size(); ++i) {
    if (!(*stop)[i].is_string()) wrong_type(element("stop", i), (*stop)[i], "a string");
    strings.push_back((*stop)[i].get<std::string>());
  }
  return strings;
}

std::vector<std::pair<int32_t, float>> read_logit_bias(const Fields& body) {
  std::vector<std::pair<int32_t, float>> bias;
  const Json* map = body.object("logit_bias");
  if (!map) return bias;
  for (const auto& [key, value] : map->items()) {
    int32_t id = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    const bool whole = error == std::errc() && end == key.data() + key.size();
    if (!whole || id < 0)
      throw wrong_field("logit_bias", "key " + dump_json(key) + ", expected a token id");
    if (!value.is_number()) wrong_type("logit_bias." + key, value, "a number");
    const double amount = value.get<double>();
    if (!(amount >= -100 && amount <= 100)) {
      throw invalid_request(
          "Invalid logit_bias value, the valid range of logit_bias is [-100, 100]");
    }
    bias.emplace_back(id, static_cast<float>(amount));
  }
  return bias;
}

void read_sampling(const Fields& body, SamplingParams& sampling) {
  const auto set = [&](const char* name, double least, double most, float& field) {
    if (const auto value = body.number_within(name, least, most))
      field = static_cast<float>(*value);
  };
  set("temperature", 0, 2, sampling.temperature);
  set("top_p", 0, 1, sampling.top_p);
  set("frequency_penalty", -2, 2, sampling.frequency_penalty);
  set("presence_penalty", -2, 2, sampling.presence_penalty);
  set("min_p", 0, 1, sampling.min_p);
  if (const auto top_k = body.integer_within("top_k", -1, 1 << 20)) {
    sampling.top_k = static_cast<int>(std::max<int64_t>(0, *top_k));
  }
  if (const auto seed = body.integer("seed")) sampling.seed = static_cast<uint64_t>(*seed);
  sampling.logit_bias = read_logit_bias(body);
}

}  // namespace

GenerationFields read_generation_fields(const Fields& body, int64_t most_tokens) {
  GenerationFields fields;
  fields.model = body.need_string("model");
  read_sampling(body, fields.sampling);
  fields.max_tokens = body.integer_within("max_tokens", 1, most_tokens);
  if (!fields.max_tokens) {
    fields.max_tokens = body.integer_within("max_completion_tokens", 1, most_tokens);
  }
  fields.stop = read_stop(body);
  fields.n = body.integer_within("n", 1, kMaxChoices).value_or(1);
  fields.stream = body.boolean("stream").value_or(false);
  if (const Json* options = body.object("stream_options")) {
    if (!fields.stream) {
      throw invalid_request("stream_options should be set along with stream = true");
    }
    fields.include_usage =
        Fields(*options, "stream_options").boolean("include_usage").value_or(false);
  }
  fields.speculate = body.boolean("speculation").value_or(true);
  return fields;
}

}  // namespace fathom::api
