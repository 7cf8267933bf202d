#include "eval/tasks/task.h"

#include <iterator>

#include "base/error.h"
#include "eval/tasks/task_lists.h"

namespace fathom::eval {

const std::vector<Task>& tasks() {
  static const std::vector<Task> all = [] {
    std::vector<Task> gathered;
    for (auto list : {choice_tasks, judged_tasks, answer_tasks, code_tasks, own_tasks}) {
      std::vector<Task> some = list();
      std::move(some.begin(), some.end(), std::back_inserter(gathered));
    }
    return gathered;
  }();
  return all;
}

Messages user_message(std::string content) {
  Messages messages = Json::array();
  messages.push_back({{"role", "user"}, {"content", std::move(content)}});
  return messages;
}

const Task& find_task(const std::string& name) {
  std::string known;
  for (const Task& task : tasks()) {
    if (task.name == name) return task;
    known += (known.empty() ? "" : ", ") + task.name;
  }
  fail(ErrorKind::kUsage, "no task \"{}\"; known are {}", name, known);
}

}  // namespace fathom::eval
