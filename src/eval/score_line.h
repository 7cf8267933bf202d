// The scorers alone: one line of the golden files' format, its result added.
// docs/formats/eval-score.md
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace fathom::eval {

/// The result of the published scorer of `line["task"]` for `line["prediction"]` and
/// `line["reference"]`, in the form in which the golden files give `expected`. Throws
/// Error(kUnsupported) for a task that it does not know, Error(kBadInput) for a field that is
/// missing or of another type.
nlohmann::ordered_json score_line(const nlohmann::ordered_json& line);

/// What else the golden files pin for such a line, under their names for it: "score", "extracted",
/// "fuzzy", "grade" and so on.
nlohmann::ordered_json score_line_details(const nlohmann::ordered_json& line);

}  // namespace fathom::eval
