// Which option a response chooses, as the published harness of each benchmark reads it, quirks
// included. All texts are UTF-8. Nothing where it extracts nothing.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fathom::eval {

using Letter = std::optional<std::string>;

/// openai/simple-evals, `MMLUEval`: markup is removed, then "Answer:" is tried in many languages.
/// May be a lower-case letter or one that stands for no option.
Letter mmlu_letter(std::string_view response);

/// openai/simple-evals, `GPQAEval`: one pattern on the raw response.
Letter gpqa_letter(std::string_view response);

/// TIGER-AI-Lab/MMLU-Pro, `extract_answer`. Its API script removes "**" first, its local one does
/// not
/// (`bold_kept`). Where nothing is extracted the published scripts guess at random; we count it
/// wrong.
Letter mmlu_pro_letter(std::string_view response, bool bold_kept = false);

/// open-compass/opencompass, `first_option_postprocess` with options ABCD.
Letter ceval_letter(std::string_view response);

/// open-compass/opencompass, `first_capital_postprocess`: the first capital letter of any script.
Letter cluewsc_letter(std::string_view response);

/// THUDM/LongBench, `extract_answer` of version 2.
Letter longbench_v2_letter(std::string_view response);

/// One answered item of LongBench v2.
struct LongBenchAnswer {
  Letter letter;
  std::string reference;
  std::string difficulty;  ///< "easy", else hard
  std::string length;      ///< "short", "medium", else long
};

/// THUDM/LongBench, `result.py`: per cent of right answers, one decimal; nothing for a group
/// without items.
struct LongBenchScores {
  std::optional<double> overall, easy, hard, short_texts, medium_texts, long_texts;
};
LongBenchScores longbench_v2_scores(const std::vector<LongBenchAnswer>& answers);

}  // namespace fathom::eval
