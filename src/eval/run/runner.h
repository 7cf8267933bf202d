// Asks a model every item of a task, many at a time, and scores what it answers.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "eval/run/chat_client.h"
#include "eval/run/journal.h"
#include "eval/tasks/task.h"

namespace fathom::eval {

struct RunPlan {
  const Task* task = nullptr;
  TaskInput input;
  Endpoint model;
  /// What its name alone does not tell: the weights' fingerprint, or the server's address.
  std::string model_source;
  std::optional<Endpoint> judge;
  int concurrency = 16;  ///< requests under way at a time
};

/// One sample of one item, as far as it came.
struct ItemResult {
  Item item;
  int sample = 0;
  std::optional<Completion> answer;  ///< nothing: every try failed
  std::string verdict;
  std::optional<Outcome> outcome;  ///< nothing: no answer, or no verdict
  std::string failure;             ///< why there is no outcome
};

struct Progress {
  size_t done = 0, total = 0, failed = 0;
  double score_sum = 0;  ///< over done - failed
};

/// The results in the order of samples, then items. Answers and verdicts that the journal has are
/// not asked for again; failures are. Throws Error(kIo) once the server refuses in a way that every
/// other request would meet as well (a wrong key, no balance); what was answered until then stays
/// in the journal. `on_progress` comes from any thread, one call at a time.
std::vector<ItemResult> run_plan(const RunPlan& plan, Journal& journal,
                                 const std::function<void(const Progress&)>& on_progress);

/// The fields by which a journal knows its run: whatever changes what is asked or how it is judged.
Json run_identity(const RunPlan& plan);

}  // namespace fathom::eval
