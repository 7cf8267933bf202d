// DROP's exact match and F1. Source: openai/simple-evals `drop_eval.py` and the evaluator of the
// release, allenai/allennlp-reading-comprehension `drop_eval.py`.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fathom::eval {

struct DropScore {
  double em = 0;  ///< 0 or 1
  double f1 = 0;  ///< 0 to 100, rounded to 2 decimals
  bool operator==(const DropScore&) const = default;
};

/// simple-evals' `get_drop_metrics`: spans against spans, aligned one to one where F1 is best.
DropScore drop_span_score(const std::vector<std::string>& predicted,
                          const std::vector<std::string>& gold);

/// The release's `get_metrics`: the same with an F1 from 0 to 1, which it rounds to 2 decimals.
DropScore drop_official_score(const std::vector<std::string>& predicted,
                              const std::vector<std::string>& gold);

/// simple-evals' `drop_metric`: against each reference that is not blank; the best em and the best
/// f1 are taken apart. Nothing where every reference is blank.
std::optional<DropScore> drop_score(std::string_view predicted,
                                    const std::vector<std::string>& references);

/// The rest of the first "Answer:" line of a response, or all of it where there is none.
std::string drop_answer(std::string_view response);

/// simple-evals' other score: one of the two, normalised, contains the other.
bool drop_fuzzy_match(std::string_view predicted, std::string_view reference);

}  // namespace fathom::eval
