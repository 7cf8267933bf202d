#include "eval/scorers/judge.h"

#include <algorithm>

#include "eval/python_text.h"

namespace fathom::eval {

char simpleqa_grade(std::string_view reply) {
  const size_t at = reply.find_first_of("ABC");
  return at == std::string_view::npos ? 'C' : reply[at];
}

std::string_view simpleqa_grade_name(char grade) {
  return grade == 'A' ? "CORRECT" : grade == 'B' ? "INCORRECT" : "NOT_ATTEMPTED";
}

SimpleQaScores simpleqa_scores(std::string_view grades) {
  SimpleQaScores scores;
  if (grades.empty()) return scores;
  const auto share = [&](char grade) {
    return static_cast<double>(std::count(grades.begin(), grades.end(), grade)) /
           static_cast<double>(grades.size());
  };
  scores.correct = share('A');
  scores.incorrect = share('B');
  scores.not_attempted = share('C');
  const double attempted = scores.correct + scores.incorrect;
  if (attempted > 0) scores.accuracy_given_attempted = scores.correct / attempted;
  const double sum = scores.accuracy_given_attempted + scores.correct;
  if (sum > 0) scores.f1 = 2 * scores.accuracy_given_attempted * scores.correct / sum;
  return scores;
}

FramesVerdict frames_verdict(std::string_view reply) {
  FramesVerdict verdict;
  for (const std::string& line : python::split(python::strip(reply), "\n")) {
    if (line.starts_with("Decision:")) {
      verdict.decision = python::upper(python::strip(python::split(line, ":")[1]));
    } else if (line.starts_with("Explanation:")) {
      verdict.explanation = python::strip(std::string_view(line).substr(line.find(':') + 1));
    }
  }
  return verdict;
}

}  // namespace fathom::eval
