// What the DeepSeek-V3 technical report and README print, to stand beside a measured score.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace fathom::eval {

inline constexpr std::array<std::string_view, 6> kPublishedModels = {"DeepSeek-V3",
                                                                     "DeepSeek-V2.5-0905",
                                                                     "Qwen2.5-72B-Instruct",
                                                                     "Llama-3.1-405B-Instruct",
                                                                     "Claude-3.5-Sonnet-1022",
                                                                     "GPT-4o-0513"};

struct PublishedRow {
  std::string_view benchmark;  ///< a Task's `published`
  std::string_view metric;
  std::array<double, 6> scores;  ///< per cent, in the order of kPublishedModels
};

/// Source: README of deepseek-ai/DeepSeek-V3, "Chat Model: Standard Benchmarks (Models larger than
/// 67B)"; the same figures are Table 6 of the report (arXiv 2412.19437).
const std::vector<PublishedRow>& published_scores();

/// The row of that name, or null.
const PublishedRow* find_published(std::string_view benchmark);

}  // namespace fathom::eval
