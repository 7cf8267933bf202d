// The tasks of each kind, gathered by tasks().
#pragma once

#include <vector>

#include "eval/tasks/task.h"

namespace fathom::eval {

std::vector<Task> choice_tasks();  ///< MMLU, MMLU-Pro, GPQA-Diamond, LongBench v2, CLUEWSC, C-Eval
std::vector<Task> answer_tasks();  ///< DROP, MATH-500, AIME 2024, CNMO 2024
std::vector<Task> judged_tasks();  ///< SimpleQA, C-SimpleQA, FRAMES
std::vector<Task> code_tasks();    ///< HumanEval-style, Codeforces-style, SWE-bench Verified
std::vector<Task> own_tasks();     ///< needle in a haystack, the embedded model's suite

}  // namespace fathom::eval
