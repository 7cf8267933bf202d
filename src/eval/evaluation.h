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

/// Throws Error(kUsage) for what the plan lacks of what its task needs (data, solved examples, a
/// judge), and what the task's own check throws. Looks at the plan's task and input alone.
void require_complete(const RunPlan& plan, bool has_judge);

/// Runs the plan and writes FOLDER/results.json and FOLDER/report.html beside FOLDER/journal.jsonl.
/// Returns the results document. Throws as require_complete(), run_plan() and Journal do.
Json evaluate(const RunPlan& plan, const std::string& folder,
              const std::function<void(const Progress&)>& on_progress);

}  // namespace fathom::eval
