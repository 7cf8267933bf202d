// How much a request may generate within the model's context.
#pragma once

#include <cstdint>
#include <optional>

namespace fathom::api {

/// The most that a request may ask for where the context is `context` tokens.
int64_t most_tokens(int64_t context);
/// What a request gets that does not say, if the prompt is short.
int64_t default_tokens(int64_t context);

/// max_tokens of a request with `prompt` tokens that asked for `asked`. Throws ApiError 400 in the
/// service's words when both together are more than `context`; `where` is "messages" or "prompt".
int64_t fit_context(int64_t context, int64_t prompt, const std::optional<int64_t>& asked,
                    const char* where);

}  // namespace fathom::api
