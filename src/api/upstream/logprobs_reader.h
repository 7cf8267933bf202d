// Another server's logprobs.
#pragma once

#include <vector>

#include "api/backend.h"

namespace fathom::api {

/// Of a choice: {"content": [...]} in a chat, {"tokens", "token_logprobs", "top_logprobs"} in a
/// completion. Empty for anything else, and for null.
std::vector<TextLogprob> read_logprobs(const Json* logprobs);

}  // namespace fathom::api
