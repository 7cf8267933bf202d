#include "api/completion_request.h"

#include "api/api_error.h"

namespace fathom::api {

CompletionRequest read_completion_request(const Json& json) {
  const Fields body(json, "");
  CompletionRequest request;
  request.prompt = body.need_string("prompt");
  request.suffix = body.string("suffix");
  request.generation = read_generation_fields(body, kMaxCompletionTokens);
  if (const auto logprobs = body.integer_within("logprobs", 0, 20)) {
    request.generation.sampling.top_logprobs = static_cast<int>(*logprobs);
  }
  request.echo = body.boolean("echo").value_or(false);
  return request;
}

}  // namespace fathom::api
