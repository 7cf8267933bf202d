// POST /beta/completions: fill in the middle. The request, checked.
#pragma once

#include <optional>
#include <string>

#include "api/generation_fields.h"

namespace fathom::api {

inline constexpr int64_t kMaxCompletionTokens = 4096;

struct CompletionRequest {
  GenerationFields generation;
  std::string prompt;
  std::optional<std::string> suffix;
  bool echo = false;  ///< the prompt comes before the answer's text
};

/// Throws ApiError.
CompletionRequest read_completion_request(const Json& body);

}  // namespace fathom::api
