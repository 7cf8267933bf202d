// A finished run as a document. docs/formats/eval-results.md
#pragma once

#include <string>
#include <vector>

#include "eval/run/runner.h"

namespace fathom::eval {

/// The document: the score with its 95% interval, failures apart, figures by group, every item with
/// its answer. It holds nothing of time or of retries, so that a run that was killed and resumed
/// gives the same bytes as one that was not.
Json results_json(const RunPlan& plan, const std::vector<ItemResult>& results);

/// Reads such a document back. Throws Error(kNotFound | kBadInput) naming the file.
Json read_results(const std::string& path);

/// The score, its interval and the published scores beside it, as a table for a terminal.
std::string results_text(const Json& results);

/// One page without outside parts: the score, a bar chart beside the published scores, groups, and
/// each item's transcript. `results` are those of `document`.
std::string results_html(const Json& document, const std::vector<ItemResult>& results);

/// Two result documents of the same task: the items that both answered, the paired difference and
/// whether it is significant. Throws Error(kBadInput) where the tasks differ or no item is in both.
Json compare_results(const Json& a, const Json& b);
std::string comparison_text(const Json& comparison);

}  // namespace fathom::eval
