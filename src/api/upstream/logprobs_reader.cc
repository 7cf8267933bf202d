#include "api/upstream/logprobs_reader.h"

#include <algorithm>
#include <cmath>

#include "api/upstream/lenient_json.h"

namespace fathom::api {
namespace {

// The API's word for "never", which JSON's numbers lack.
constexpr float kNever = -9999.0f;

float number_of(const Json* value) {
  if (!value || !value->is_number()) return kNever;
  const float number = value->get<float>();
  return std::isfinite(number) ? std::max(number, kNever) : kNever;
}

/// "bytes" where there are some: the text of half a character is a replacement for it.
std::string token_of(const Json& entry) {
  const Json* bytes = member(&entry, "bytes");
  if (!bytes || !bytes->is_array() || bytes->empty()) return text_member(&entry, "token");
  std::string token;
  for (const Json& byte : *bytes) {
    if (!byte.is_number_integer()) return text_member(&entry, "token");
    token += static_cast<char>(byte.get<int64_t>());
  }
  return token;
}

std::vector<TextLogprob> read_chat(const Json& content) {
  std::vector<TextLogprob> tokens;
  for (const Json& entry : content) {
    TextLogprob token{token_of(entry), number_of(member(&entry, "logprob")), {}};
    if (const Json* top = member(&entry, "top_logprobs"); top && top->is_array()) {
      for (const Json& other : *top) {
        token.top.emplace_back(token_of(other), number_of(member(&other, "logprob")));
      }
    }
    tokens.push_back(std::move(token));
  }
  return tokens;
}

std::vector<TextLogprob> read_completion(const Json& logprobs, const Json& texts) {
  std::vector<TextLogprob> tokens;
  const Json* numbers = member(&logprobs, "token_logprobs");
  const Json* tops = member(&logprobs, "top_logprobs");
  const auto at = [](const Json* list, size_t i) {
    return list && list->is_array() && i < list->size() ? &(*list)[i] : nullptr;
  };
  for (size_t i = 0; i < texts.size(); ++i) {
    TextLogprob token{
        texts[i].is_string() ? texts[i].get<std::string>() : "", number_of(at(numbers, i)), {}};
    if (const Json* top = at(tops, i); top && top->is_object()) {
      for (const auto& [text, number] : top->items()) {
        token.top.emplace_back(text, number_of(&number));
      }
    }
    tokens.push_back(std::move(token));
  }
  return tokens;
}

}  // namespace

std::vector<TextLogprob> read_logprobs(const Json* logprobs) {
  if (const Json* content = member(logprobs, "content"); content && content->is_array()) {
    return read_chat(*content);
  }
  if (const Json* texts = member(logprobs, "tokens"); texts && texts->is_array()) {
    return read_completion(*logprobs, *texts);
  }
  return {};
}

}  // namespace fathom::api
