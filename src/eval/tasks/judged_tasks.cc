// Tasks that a judge model grades. The grading instructions are ours; --judge-prompt puts the
// published ones in their place.
#include <fmt/format.h>

#include <utility>

#include "eval/python_text.h"
#include "eval/scorers/judge.h"
#include "eval/tasks/task_lists.h"

namespace fathom::eval {
namespace {

constexpr const char* kSimpleQaJudge =
    R"(Grade a predicted answer to a question against the gold target.

A: CORRECT - it holds everything that the question asks for from the gold target, and contradicts none of it. Hedging is fine as long as the target is fully given. Spelling, case, order and language do not matter; what the question already implies may be left out; for a number it must agree to the last significant figure of the target.
B: INCORRECT - some statement in it contradicts the gold target, even if hedged.
C: NOT_ATTEMPTED - the important part of the gold target is missing, and nothing contradicts it.

Question: {question}
Gold target: {target}
Predicted answer: {answer}

Reply with one letter, A, B or C, and nothing else.)";

constexpr const char* kChineseSimpleQaJudge =
    R"(请对照标准答案，评定一个问题的预测答案。

A：正确——包含标准答案中问题所问的全部重要信息，且没有与之矛盾的内容。只看语义，不计较语言、写法、标点和顺序；完整给出标准答案时，语气不确定也算正确；问题中已隐含的部分可以省略；数字须与标准答案一致。
B：错误——有内容与标准答案矛盾，即使语气有所保留。
C：未尝试——缺少标准答案中的重要信息，也没有与之矛盾的内容。

问题：{question}
标准答案：{target}
预测答案：{answer}

只回复A、B、C中的一个字母，不要添加其他文字。)";

constexpr const char* kFramesJudge =
    R"(Decide whether a predicted answer holds the ground truth answer to a question. What counts is that the meaning and the vital facts of the ground truth are present, not the wording, unless the wording itself is what is asked for.

Question: {question}
Predicted Answer: {answer}
Ground Truth Answer: {target}

Reply in exactly this form:
Explanation: (why)
Decision: (TRUE or FALSE))";

// {question}, {target} and {answer} filled in, in one pass: what is filled in is not searched
// again.
std::string filled(const std::string& form, const Item& item, const std::string& answer) {
  const std::pair<std::string_view, std::string> holes[] = {
      {"{question}", item.reference.at("question")},
      {"{target}", item.reference.at("target")},
      {"{predicted_answer}", answer},
      {"{answer}", answer}};
  std::string out;
  for (size_t at = 0; at < form.size();) {
    bool is_hole = false;
    for (const auto& [hole, value] : holes) {
      if (form.compare(at, hole.size(), hole) != 0) continue;
      out += value;
      at += hole.size();
      is_hole = true;
      break;
    }
    if (!is_hole) out += form[at++];
  }
  return out;
}

// The judge's instructions travel with the item, so that a verdict depends on nothing else.
Json judged_reference(const TaskInput& input, const char* own, std::string question,
                      std::string target) {
  return {{"question", std::move(question)},
          {"target", std::move(target)},
          {"judge_prompt", input.options.value("judge_prompt", std::string(own))}};
}

std::string ask_judge(const Item& item, const std::string& answer, const Ask& judge) {
  return judge(user_message(filled(item.reference.at("judge_prompt"), item, answer)));
}

Outcome score_simpleqa(const Item&, const std::string&, const std::string& verdict) {
  const char grade = simpleqa_grade(verdict);
  return {grade == 'A' ? 1.0 : 0.0,
          std::string(1, grade),
          {{"incorrect", grade == 'B' ? 1.0 : 0.0}, {"not_attempted", grade == 'C' ? 1.0 : 0.0}}};
}

Json simpleqa_figures(const std::vector<std::pair<const Item*, const Outcome*>>& outcomes) {
  std::string grades;
  for (const auto& [item, outcome] : outcomes) grades += outcome->extracted.get<std::string>();
  const SimpleQaScores scores = simpleqa_scores(grades);
  return {{"accuracy_given_attempted", scores.accuracy_given_attempted}, {"f1", scores.f1}};
}

Task simpleqa_task(const std::string& name, const std::string& title, const DataForm& form,
                   const char* question_field, const char* group_field, const char* judge_prompt) {
  Task task;
  task.name = name;
  task.title = task.published = title;
  task.metric = "Correct";
  task.form = form;
  task.needs_judge = true;
  task.items = [=](const TaskInput& input, int) {
    std::vector<Item> items;
    for (const Record& record : read_records(input.data, form)) {
      const std::string question = record.text(question_field);
      Item item{record.text_or("id", std::to_string(items.size())),
                user_message(question),
                judged_reference(input, judge_prompt, question, record.text("answer")),
                {}};
      if (record.has(group_field)) item.groups["category"] = record.text(group_field);
      items.push_back(std::move(item));
    }
    return items;
  };
  task.verdict = ask_judge;
  task.score = score_simpleqa;
  task.aggregate = simpleqa_figures;
  return task;
}

Task frames() {
  Task task;
  task.name = "frames";
  task.title = task.published = "FRAMES";
  task.metric = "Acc.";
  task.form = {
      "Prompt, Answer, wiki_links, reasoning_types, and articles (the text of the links) "
      "where the model shall read them",
      {}};
  task.needs_judge = true;
  const DataForm form = task.form;
  task.items = [form](const TaskInput& input, int) {
    std::vector<Item> items;
    for (const Record& record : read_records(input.data, form)) {
      const std::string question = record.text("Prompt");
      const std::string articles =
          record.has("articles") ? record.text("articles") : record.text_or("wiki_links", "");
      Item item{record.text_or("Unnamed: 0", std::to_string(items.size())),
                user_message(
                    fmt::format("Here are the relevant Wikipedia articles:\n{}\n\nBased on all the "
                                "information, answer the query. \n\nQuery: {}\n\n",
                                articles, question)),
                judged_reference(input, kFramesJudge, question, record.text("Answer")),
                {}};
      if (record.has("reasoning_types")) item.groups["reasoning"] = record.text("reasoning_types");
      items.push_back(std::move(item));
    }
    return items;
  };
  task.verdict = ask_judge;
  task.score = [](const Item&, const std::string&, const std::string& verdict) {
    const FramesVerdict read = frames_verdict(verdict);
    return Outcome{read.correct() ? 1.0 : 0.0, read.decision, {}};
  };
  return task;
}

}  // namespace

std::vector<Task> judged_tasks() {
  return {simpleqa_task("simpleqa", "SimpleQA", {"metadata, problem, answer", {}}, "problem",
                        "topic", kSimpleQaJudge),
          simpleqa_task("c_simpleqa", "C-SimpleQA",
                        {"id, primary_category, secondary_category, question, answer, urls", {}},
                        "question", "primary_category", kChineseSimpleQaJudge),
          frames()};
}

}  // namespace fathom::eval
