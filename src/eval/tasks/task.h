// What a benchmark is to the runner: items to ask, a way to score an answer, the report's defaults.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "eval/data/records.h"

namespace fathom::eval {

/// A conversation in the API's form: a list of {"role", "content"} and what else a turn may hold.
using Messages = Json;

/// A conversation of one question.
Messages user_message(std::string content);

/// One question as it is asked. Ids are unique within a task's data.
struct Item {
  std::string id;
  Messages messages;
  Json reference;  ///< what the scorer needs; shown in the report
  std::map<std::string, std::string>
      groups;            ///< by what the score is broken down: {"subject": "law"}
  Json tools = nullptr;  ///< functions on offer, in the API's form; or null
};

/// What an answer is worth.
struct Outcome {
  double score = 0;  ///< 0 to 1
  Json extracted;    ///< what was read out of the answer; null for nothing
  std::map<std::string, double>
      metrics;  ///< further figures from 0 to 1, averaged beside the score
};

/// What the user may set; a task's defaults are the report's where it names them.
struct Settings {
  std::vector<double> temperatures = {0};  ///< sample i takes the i-th, over and over
  int samples = 1;                         ///< answers to each item
  int shots = 0;                           ///< solved examples before the question
  int max_tokens = 8192;
  uint64_t seed = 0;  ///< of shuffled options, chosen examples, generated items
  int64_t limit = 0;  ///< items to take, in the file's order; 0 is all
};

/// What a task builds its items from.
struct TaskInput {
  std::string data;   ///< --data
  std::string shots;  ///< --shots-data: where solved examples come from
  Settings settings;
  Json options = Json::object();  ///< of this task alone, by name
};

/// Runs or judges an answer; what it returns is kept with the answer and given to `score`.
using Ask = std::function<std::string(const Messages&)>;
using Verdict =
    std::function<std::string(const Item&, const std::string& answer, const Ask& judge)>;

struct Task {
  std::string name;       ///< on the command line
  std::string title;      ///< "MMLU"
  std::string metric;     ///< what the score is: "EM", "Pass@1"
  std::string published;  ///< row of published_scores(), empty for none
  DataForm form;
  Settings defaults;
  bool needs_data = true;
  std::function<void()> check;  ///< throws where this machine can't run the task; may be unset

  /// The items of one sample; a task that shuffles options may shuffle each sample anew.
  std::function<std::vector<Item>(const TaskInput&, int sample)> items;
  /// Set where an answer needs a judge model, or a run of what it holds, before it can be scored.
  Verdict verdict;
  bool needs_judge = false;
  /// `verdict` is empty where the task has none. Must depend on its arguments alone.
  std::function<Outcome(const Item&, const std::string& answer, const std::string& verdict)> score;
  /// Figures over all outcomes that are no averages; an object. May be unset.
  std::function<Json(const std::vector<std::pair<const Item*, const Outcome*>>&)> aggregate;
  /// A line for another program's input, kept in a file of this name beside the results. May be
  /// unset.
  std::function<Json(const Item&, const std::string& answer, const std::string& model)> export_line;
  std::string export_name;
  /// What the report must say about the figure: a policy, a scorer that runs elsewhere.
  std::string note;
};

/// Every task, in the order of the help.
const std::vector<Task>& tasks();

/// Throws Error(kUsage) that lists the known names.
const Task& find_task(const std::string& name);

}  // namespace fathom::eval
