#include "api/context_fit.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/api_error.h"
#include "api/chat_request.h"

namespace fathom::api {

int64_t most_tokens(int64_t context) { return std::min(kMaxChatTokens, context - 1); }

int64_t default_tokens(int64_t context) {
  return std::min(kDefaultTokens, std::max<int64_t>(1, context / 2));
}

// A request that does not say gets 4096, which counts against the context as on the service; where
// the model's own context is short of that by far, whatever is left.
int64_t fit_context(int64_t context, int64_t prompt, const std::optional<int64_t>& asked,
                    const char* where) {
  int64_t wanted = asked.value_or(kDefaultTokens);
  if (!asked && context < 2 * kDefaultTokens) {
    wanted = std::clamp<int64_t>(context - prompt, 1, kDefaultTokens);
  }
  if (prompt + wanted > context) {
    throw invalid_request(fmt::format(
        "This model's maximum context length is {} tokens. However, you requested {} tokens ({} in "
        "the {}, {} in the completion). Please reduce the length of the {} or completion.",
        context, prompt + wanted, prompt, where, wanted, where));
  }
  return wanted;
}

}  // namespace fathom::api
