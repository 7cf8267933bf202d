#include "eval/evaluation.h"

#include "base/error.h"
#include "eval/report/results.h"
#include "io/file_system.h"

namespace fathom::eval {
namespace {

// Another program's input: one line for each answer.
void write_export(const RunPlan& plan, const std::vector<ItemResult>& results,
                  const std::string& folder) {
  std::string lines;
  for (const ItemResult& result : results) {
    if (!result.answer) continue;
    lines += plan.task->export_line(result.item, result.answer->text, plan.model.model)
                 .dump(-1, ' ', false, Json::error_handler_t::replace) +
             "\n";
  }
  io::write_file_atomically(io::system_files(), io::join(folder, plan.task->export_name), lines);
}

}  // namespace

void require_complete(const RunPlan& plan, bool has_judge) {
  const Task& task = *plan.task;
  if (task.needs_data && plan.input.data.empty()) {
    fail(ErrorKind::kUsage, "{}: --data is missing; the file has {}", task.name,
         task.form.expected);
  }
  if (plan.input.settings.shots > 0 && task.defaults.shots == 0) {
    fail(ErrorKind::kUsage, "{}: takes no --shots", task.name);
  }
  if (plan.input.settings.shots > 0 && plan.input.shots.empty()) {
    fail(ErrorKind::kUsage,
         "{}: {} solved examples go before each question; --shots-data names the file they come "
         "from (or --shots 0)",
         task.name, plan.input.settings.shots);
  }
  if (task.needs_judge && !has_judge) {
    fail(ErrorKind::kUsage, "{}: a judge model grades its answers; name one with --judge-api",
         task.name);
  }
  if (task.check) task.check();
}

RunFiles::RunFiles(const std::string& folder)
    : journal(io::join(folder, "journal.jsonl")),
      results(io::join(folder, "results.json")),
      report(io::join(folder, "report.html")) {}

Json evaluate(const RunPlan& plan, const std::string& folder,
              const std::function<void(const Progress&)>& on_progress) {
  require_complete(plan, plan.judge.has_value());
  const RunFiles paths(folder);
  io::FileSystem& files = io::system_files();
  files.create_dirs(folder);
  Journal journal(files, paths.journal, run_identity(plan));
  const std::vector<ItemResult> results = run_plan(plan, journal, on_progress);
  Json document = results_json(plan, results);
  io::write_file_atomically(files, paths.results,
                            document.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
  io::write_file_atomically(files, paths.report, results_html(document, results));
  if (plan.task->export_line) write_export(plan, results, folder);
  return document;
}

}  // namespace fathom::eval
