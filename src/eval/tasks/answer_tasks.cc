// Tasks whose answer is a text that is compared with a key: DROP and the mathematics.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/rng.h"
#include "eval/python_text.h"
#include "eval/scorers/drop.h"
#include "eval/scorers/math_answers.h"
#include "eval/tasks/task_lists.h"

namespace fathom::eval {
namespace {

// --- DROP ---

struct DropQuestion {
  std::string id, passage, answer;  // `passage` with the question, as the prompt shows it
  std::vector<std::string> references;
};

// One answer of the official release as the evaluator's strings read it.
std::string official_answer(const Record& record, const Json& answer) {
  if (const std::string number = answer.value("number", ""); !number.empty()) return number;
  if (answer.contains("spans") && !answer["spans"].empty()) {
    std::vector<std::string> spans;
    for (const Json& span : answer["spans"]) spans.push_back(span.get<std::string>());
    return python::join(spans, ", ");
  }
  if (!answer.contains("date")) record.refuse("an answer with neither number, spans nor date");
  const Json& date = answer["date"];
  return std::string(python::strip(fmt::format("{} {} {}", date.value("day", ""),
                                               date.value("month", ""), date.value("year", ""))));
}

void add_official(const Record& record, std::vector<DropQuestion>& out) {
  const std::string passage = record.text("passage");
  for (const Json& pair : record.value("qa_pairs")) {
    DropQuestion question;
    question.id = pair.value("query_id", std::to_string(out.size()));
    question.passage =
        fmt::format("Passage: {}\nQuestion: {}\nAnswer:", passage, pair.value("question", ""));
    if (!pair.contains("answer")) record.refuse("a question without \"answer\"");
    question.references = {official_answer(record, pair["answer"])};
    for (const Json& other : pair.value("validated_answers", Json::array())) {
      question.references.push_back(official_answer(record, other));
    }
    question.answer = question.references[0];
    out.push_back(std::move(question));
  }
}

std::vector<DropQuestion> drop_questions(const std::string& path, const DataForm& form) {
  std::vector<DropQuestion> questions;
  for (const Record& record : read_records(path, form)) {
    if (record.has("qa_pairs")) {
      try {
        add_official(record, questions);
      } catch (const Json::exception&) {
        record.refuse("\"qa_pairs\" is not of the release's form");
      }
    } else {
      questions.push_back({std::to_string(questions.size()), record.text("context"),
                           record.text("completion"), python::split(record.text("ref_text"), "|")});
    }
  }
  return questions;
}

// openai/simple-evals, `DropEval`: solved examples drawn anew for each item.
std::string drop_prompt(const DropQuestion& question, const std::vector<DropQuestion>& pool,
                        int shots, Rng& rng) {
  std::string prompt =
      "You will be asked to read a passage and answer a question. Some examples of passages and "
      "Q&A are provided below.\n\n# Examples";
  std::vector<size_t> drawn;
  while (drawn.size() < static_cast<size_t>(shots)) {
    const size_t one = rng.below(pool.size());
    if (std::find(drawn.begin(), drawn.end(), one) != drawn.end()) continue;
    drawn.push_back(one);
    prompt += fmt::format("\n---\n{} {}\n", pool[one].passage, pool[one].answer);
  }
  return prompt + fmt::format(
                      "\n# Your Task\n\n---\n{} \n\nThink step by step, then write a line of the "
                      "form \"Answer: $ANSWER\" at the end of your response.",
                      question.passage);
}

std::vector<Item> drop_items(const TaskInput& input, const DataForm& form) {
  const int shots = input.settings.shots;
  std::vector<DropQuestion> pool;
  if (shots > 0) pool = drop_questions(input.shots, form);
  if (pool.size() < static_cast<size_t>(shots)) {
    fail(ErrorKind::kBadInput, "{}: {} questions, too few for {} examples", input.shots,
         pool.size(), shots);
  }
  std::vector<Item> items;
  for (const DropQuestion& question : drop_questions(input.data, form)) {
    Rng rng(splitmix64(input.settings.seed) + items.size());
    items.push_back({question.id,
                     user_message(drop_prompt(question, pool, shots, rng)),
                     Json(question.references),
                     {}});
  }
  return items;
}

Outcome score_drop(const Item& item, const std::string& answer, const std::string&) {
  const auto references = item.reference.get<std::vector<std::string>>();
  const std::string extracted = drop_answer(answer);
  const DropScore score = drop_score(extracted, references).value_or(DropScore());
  bool fuzzy = false;
  for (const std::string& one : references) fuzzy = fuzzy || drop_fuzzy_match(extracted, one);
  return {score.f1 / 100, extracted, {{"em", score.em}, {"fuzzy_match", fuzzy ? 1.0 : 0.0}}};
}

Task drop() {
  Task task;
  task.name = "drop";
  task.title = task.published = "DROP";
  task.metric = "3-shot F1";
  task.form = {
      "context, completion, ref_text, or the official release's passage with qa_pairs {query_id, "
      "question, answer {number, date, spans}, validated_answers}",
      {}};
  task.defaults.shots = 3;
  const DataForm form = task.form;
  task.items = [form](const TaskInput& input, int) { return drop_items(input, form); };
  task.score = score_drop;
  return task;
}

// --- Mathematics ---

struct MathForm {
  DataForm data;
  const char* problem;
  const char* answer;
  std::vector<const char*> ids;     // the first of these fields that a record has
  std::vector<const char*> groups;  // fields to break the score down by
};

auto math_items(const MathForm& form, const std::string& before, const std::string& after) {
  return [=](const TaskInput& input, int) {
    std::vector<Item> items;
    for (const Record& record : read_records(input.data, form.data)) {
      Item item;
      item.id = std::to_string(items.size());
      for (const char* name : form.ids) {
        if (record.has(name)) {
          item.id = record.text(name);
          break;
        }
      }
      item.messages = user_message(before + record.text(form.problem) + after);
      if (record.has(form.answer)) {
        item.reference = record.text(form.answer);
      } else {  // MATH has the answer in its solution alone
        const auto boxed = last_boxed(record.text("solution"));
        const auto content = boxed ? boxed_content(*boxed) : std::nullopt;
        if (!content) record.refuse("neither an answer nor a solution with a box");
        item.reference = *content;
      }
      for (const char* name : form.groups) {
        if (record.has(name)) item.groups[name] = record.text(name);
      }
      items.push_back(std::move(item));
    }
    return items;
  };
}

constexpr const char* kBoxedInstruction =
    "\nPlease reason step by step, and put your final answer within \\boxed{}.";

Outcome score_math(const Item& item, const std::string& answer, const std::string&) {
  const auto boxed = last_boxed(answer);
  const auto content = boxed ? boxed_content(*boxed) : std::nullopt;
  const bool right = content && math_equivalent(*content, item.reference.get<std::string>());
  return {right ? 1.0 : 0.0, content ? Json(*content) : Json(), {}};
}

Task math_500() {
  Task task;
  task.name = "math_500";
  task.title = task.published = "MATH-500";
  task.metric = "EM";
  const MathForm form{{"problem, solution, answer, subject, level, unique_id", {}},
                      "problem",
                      "answer",
                      {"unique_id"},
                      {"subject", "type", "level"}};
  task.form = form.data;
  task.items = math_items(form, "", kBoxedInstruction);
  task.score = score_math;
  return task;
}

// 33 for "033" and " 33 ", nothing for anything but an integer.
std::optional<long> integer_of(const std::string& text) {
  const std::string stripped(python::strip(text));
  if (!python::is_int(stripped) || stripped.size() > 9) return std::nullopt;
  const auto value = python::to_float(stripped);
  return value ? std::optional(static_cast<long>(*value)) : std::nullopt;
}

Outcome score_aime(const Item& item, const std::string& answer, const std::string&) {
  const std::string extracted = aime_answer(answer), key = item.reference.get<std::string>();
  const auto ours = integer_of(extracted), theirs = integer_of(key);
  const bool same_integer = ours && theirs && *ours == *theirs;
  return {aime_equivalent(extracted, key) ? 1.0 : 0.0,
          extracted,
          {{"same_integer", same_integer ? 1.0 : 0.0}}};
}

Task aime() {
  Task task;
  task.name = "aime_2024";
  task.title = task.published = "AIME 2024";
  task.metric = "Pass@1";
  const MathForm form{{"ID, Problem, Solution, Answer", {}}, "Problem", "Answer", {"ID"}, {}};
  task.form = form.data;
  task.defaults.temperatures = {0.7};
  task.defaults.samples = 16;
  task.items = math_items(form, "", kBoxedInstruction);
  task.score = score_aime;
  task.note =
      "The score compares the box as text; same_integer is the kinder figure, in which 033 "
      "is 33.";
  return task;
}

Outcome score_cnmo(const Item& item, const std::string& answer, const std::string&) {
  const std::string extracted = cnmo_answer(answer);
  const bool right = cnmo_equivalent(extracted, item.reference.get<std::string>());
  return {right ? 1.0 : 0.0, extracted, {}};
}

Task cnmo() {
  Task task;
  task.name = "cnmo_2024";
  task.title = task.published = "CNMO 2024";
  task.metric = "Pass@1";
  const MathForm form{
      {"question, answer, question_type", {}}, "question", "answer", {"id"}, {"question_type"}};
  task.form = form.data;
  task.defaults.temperatures = {0.7};
  task.defaults.samples = 16;
  task.items =
      math_items(form, "下面是一个数学问题，请逐步推理，并把最终答案放置于\\boxed{}中。\n", "\n");
  task.score = score_cnmo;
  task.note = "Scored by text as OpenCompass does without its judge model.";
  return task;
}

}  // namespace

std::vector<Task> answer_tasks() { return {drop(), math_500(), aime(), cnmo()}; }

}  // namespace fathom::eval
