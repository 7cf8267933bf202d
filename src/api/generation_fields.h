// What chat and completion requests have in common: how to generate and how to answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/fields.h"
#include "engine/engine.h"

namespace fathom::api {

inline constexpr int64_t kMaxChoices = 16;
inline constexpr size_t kMaxStops = 16;

struct GenerationFields {
  std::string model;
  SamplingParams sampling;
  std::optional<int64_t> max_tokens;
  std::vector<std::string> stop;
  int64_t n = 1;
  bool stream = false;
  bool include_usage = false;
  bool speculate = true;  ///< `speculation`, an addition of ours
};

/// Reads them by the facts' ranges; `most_tokens` is max_tokens' upper end. Throws ApiError.
GenerationFields read_generation_fields(const Fields& body, int64_t most_tokens);

}  // namespace fathom::api
