// A run from start to finish: ask, score, write what came of it.
#pragma once

#include <functional>
#include <string>

#include "eval/run/runner.h"

namespace fathom::eval {

/// The files of a run, all in one folder.
struct RunFiles {
  std::string journal, results, report;
  explicit RunFiles(const std::string& folder);
};

/// Checks that the plan has what its task needs (data, solved examples, a judge), runs it, and
/// writes FOLDER/results.json and FOLDER/report.html beside FOLDER/journal.jsonl. Returns the
/// results document. Throws as run_plan() and Journal do, and Error(kUsage) for what the plan
/// lacks.
Json evaluate(const RunPlan& plan, const std::string& folder,
              const std::function<void(const Progress&)>& on_progress);

}  // namespace fathom::eval
