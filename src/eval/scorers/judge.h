// What a judge model's reply decides, by the published parsers.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fathom::eval {

/// SimpleQA and C-SimpleQA: 'A' correct, 'B' incorrect, 'C' not attempted. The first of these
/// capitals anywhere in the reply, else C. Source: openai/simple-evals `grade_sample`;
/// OpenCompass's `post_process_csimpleqa` is the same.
char simpleqa_grade(std::string_view reply);

/// "CORRECT", "INCORRECT" or "NOT_ATTEMPTED".
std::string_view simpleqa_grade_name(char grade);

/// Shares of 1. `f1` is the harmonic mean of `correct` and `accuracy_given_attempted`.
struct SimpleQaScores {
  double correct = 0, incorrect = 0, not_attempted = 0;
  double accuracy_given_attempted = 0, f1 = 0;
};
/// All zero for no grades.
SimpleQaScores simpleqa_scores(std::string_view grades);

/// FRAMES: the reply's lines "Decision:" and "Explanation:". Source: codelion/optillm,
/// `evaluate_response`.
struct FramesVerdict {
  std::string decision = "FALSE";  ///< upper-cased; only "TRUE" is right
  std::string explanation;
  bool correct() const { return decision == "TRUE"; }
};
FramesVerdict frames_verdict(std::string_view reply);

}  // namespace fathom::eval
