// Tasks whose answer is the letter of an option. Prompts follow the harness that each benchmark is
// scored with (docs/evaluation.md).
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/rng.h"
#include "eval/python_text.h"
#include "eval/scorers/letters.h"
#include "eval/tasks/task_lists.h"

namespace fathom::eval {
namespace {

constexpr std::string_view kLetters = "ABCDEFGHIJ";

// Of a task whose reference is the letter and whose scorer is `read`.
auto letter_score(Letter (*read)(std::string_view)) {
  return [read](const Item& item, const std::string& answer, const std::string&) {
    const Letter letter = read(answer);
    const bool right = letter && *letter == item.reference.get<std::string>();
    return Outcome{right ? 1.0 : 0.0, letter ? Json(*letter) : Json(), {}};
  };
}

std::string option_letter(const Record& record, const char* field, size_t options) {
  const std::string letter = record.text(field);
  if (letter.size() != 1 || kLetters.substr(0, options).find(letter) == std::string_view::npos) {
    record.refuse(fmt::format("\"{}\" is \"{}\", expected a letter from A to {}", field, letter,
                              kLetters[options - 1]));
  }
  return letter;
}

// openai/simple-evals, `QUERY_TEMPLATE_MULTICHOICE`.
std::string simple_evals_question(const std::string& question,
                                  const std::vector<std::string>& options) {
  return fmt::format(
      "Answer the following multiple choice question. The last line of your response should be of "
      "the following format: 'Answer: $LETTER' (without quotes) where LETTER is one of ABCD. Think "
      "step by step before answering.\n\n{}\n\nA) {}\nB) {}\nC) {}\nD) {}",
      question, options[0], options[1], options[2], options[3]);
}

// The subject of the original release is in the file's name: abstract_algebra_test.csv.
std::string subject_of(const Record& record) {
  if (record.has("Subject")) return record.text("Subject");
  std::string name = record.source();
  for (const std::string_view split : {"_test", "_val", "_dev"}) {
    if (name.ends_with(split)) return name.substr(0, name.size() - split.size());
  }
  return name;
}

Task mmlu() {
  Task task;
  task.name = "mmlu";
  task.title = task.published = "MMLU";
  task.metric = "EM";
  task.form = {"Question, A, B, C, D, Answer, Subject", {"Question", "A", "B", "C", "D", "Answer"}};
  const DataForm form = task.form;
  task.items = [form](const TaskInput& input, int) {
    std::vector<Item> items;
    for (const Record& record : read_records(input.data, form)) {
      items.push_back({std::to_string(items.size()),
                       user_message(simple_evals_question(record.text("Question"),
                                                          {record.text("A"), record.text("B"),
                                                           record.text("C"), record.text("D")})),
                       option_letter(record, "Answer", 4),
                       {{"subject", subject_of(record)}}});
    }
    return items;
  };
  task.score = letter_score(mmlu_letter);
  return task;
}

Task gpqa() {
  Task task;
  task.name = "gpqa_diamond";
  task.title = task.published = "GPQA-Diamond";
  task.metric = "Pass@1";
  task.form = {
      "Question, Correct Answer, Incorrect Answer 1, Incorrect Answer 2, Incorrect Answer 3", {}};
  const DataForm form = task.form;
  task.items = [form](const TaskInput& input, int sample) {
    std::vector<Item> items;
    Rng rng(splitmix64(input.settings.seed) + static_cast<uint64_t>(sample));
    for (const Record& record : read_records(input.data, form)) {
      std::vector<std::string> options = {
          record.text("Correct Answer"), record.text("Incorrect Answer 1"),
          record.text("Incorrect Answer 2"), record.text("Incorrect Answer 3")};
      size_t correct = 0;
      for (size_t i = options.size() - 1; i > 0; --i) {
        const size_t j = rng.below(i + 1);
        std::swap(options[i], options[j]);
        correct = correct == i ? j : correct == j ? i : correct;
      }
      Item item{std::to_string(items.size()),
                user_message(simple_evals_question(record.text("Question"), options)),
                std::string(1, kLetters[correct]),
                {}};
      if (record.has("High-level domain")) item.groups["domain"] = record.text("High-level domain");
      items.push_back(std::move(item));
    }
    return items;
  };
  task.score = letter_score(gpqa_letter);
  return task;
}

// TIGER-AI-Lab/MMLU-Pro, `format_example`: a solved example, or the question with its opening
// words.
std::string mmlu_pro_example(const Record& record, bool solved) {
  std::string text = "Question: " + record.text("question") + "\nOptions: ";
  size_t letter = 0;
  for (const std::string& option : record.list("options")) {
    if (option == "N/A") continue;
    if (letter == kLetters.size()) record.refuse("more than ten options");
    text += fmt::format("{}. {}\n", kLetters[letter++], option);
  }
  std::string reasoning = solved ? record.text("cot_content") : "";
  if (reasoning.empty()) reasoning = "Let's think step by step.";
  if (reasoning.starts_with("A: ")) reasoning.erase(0, 3);
  return text + "Answer: " + reasoning + "\n\n";
}

std::vector<Item> mmlu_pro_items(const TaskInput& input, const DataForm& form) {
  std::map<std::string, std::string> examples;  // by category
  if (input.settings.shots > 0) {
    std::map<std::string, int> taken;
    for (const Record& record : read_records(input.shots, form)) {
      const std::string category = record.text("category");
      if (taken[category]++ >= input.settings.shots) continue;
      examples[category] += mmlu_pro_example(record, true);
    }
  }
  std::vector<Item> items;
  for (const Record& record : read_records(input.data, form)) {
    const std::string category = record.text("category");
    if (input.settings.shots > 0 && !examples.contains(category)) {
      record.refuse(fmt::format("{} has no example of category \"{}\"", input.shots, category));
    }
    items.push_back({record.text_or("question_id", std::to_string(items.size())),
                     user_message(fmt::format(
                         "The following are multiple choice questions (with answers) about {}. "
                         "Think step by step and then output the answer in the format of \"The "
                         "answer is (X)\" at the end.\n\n{}{}",
                         category, examples[category], mmlu_pro_example(record, false))),
                     option_letter(record, "answer", kLetters.size()),
                     {{"category", category}}});
  }
  return items;
}

Task mmlu_pro() {
  Task task;
  task.name = "mmlu_pro";
  task.title = task.published = "MMLU-Pro";
  task.metric = "EM";
  task.form = {"question_id, question, options, answer, answer_index, cot_content, category", {}};
  task.defaults.shots = 5;
  const DataForm form = task.form;
  task.items = [form](const TaskInput& input, int) { return mmlu_pro_items(input, form); };
  task.score = letter_score([](std::string_view answer) { return mmlu_pro_letter(answer); });
  task.note =
      "An answer from which no letter is read counts as wrong; the published script guesses "
      "an option at random there.";
  return task;
}

Task longbench_v2() {
  Task task;
  task.name = "longbench_v2";
  task.title = task.published = "LongBench v2";
  task.metric = "Acc.";
  task.form = {
      "_id, domain, sub_domain, difficulty, length, question, choice_A, choice_B, choice_C, "
      "choice_D, answer, context",
      {}};
  const DataForm form = task.form;
  task.items = [form](const TaskInput& input, int) {
    const size_t budget = static_cast<size_t>(input.options.value("max_context_chars", 0));
    std::vector<Item> items;
    for (const Record& record : read_records(input.data, form)) {
      const auto stripped = [&](const char* name) {
        return std::string(python::strip(record.text(name)));
      };
      std::string prompt = fmt::format(
          "Please read the following text and answer the question below.\n\n<text>\n{}\n</text>\n\n"
          "What is the correct answer to this question: {}\nChoices:\n(A) {}\n(B) {}\n(C) {}\n(D) "
          "{}\n\nFormat your response as follows: \"The correct answer is (insert answer here)\".",
          stripped("context"), stripped("question"), stripped("choice_A"), stripped("choice_B"),
          stripped("choice_C"), stripped("choice_D"));
      if (budget > 0) prompt = python::without_middle(prompt, budget);
      items.push_back({record.text("_id"),
                       user_message(std::move(prompt)),
                       option_letter(record, "answer", 4),
                       {{"difficulty", record.text("difficulty")},
                        {"domain", record.text("domain")},
                        {"length", record.text("length")}}});
    }
    return items;
  };
  task.score = letter_score(longbench_v2_letter);
  task.note =
      "A prompt longer than --max-context-chars loses its middle, as the published script "
      "cuts by tokens.";
  return task;
}

Task cluewsc() {
  Task task;
  task.name = "cluewsc";
  task.title = task.published = "CLUEWSC";
  task.metric = "EM";
  task.form = {
      "text, target {span1_index, span1_text, span2_index, span2_text}, label (\"true\" or "
      "\"false\"), idx",
      {}};
  const DataForm form = task.form;
  task.items = [form](const TaskInput& input, int) {
    std::vector<Item> items;
    for (const Record& record : read_records(input.data, form)) {
      const Record target(record.value("target"), record.where(), record.source(), form.expected);
      const std::string label = record.text("label");
      if (label != "true" && label != "false") {
        record.refuse(fmt::format("\"label\" is \"{}\", expected \"true\" or \"false\"", label));
      }
      items.push_back(
          {record.text_or("idx", std::to_string(items.size())),
           user_message(fmt::format(
               "{}\n此处，“{}”是否指代“{}”？\nA. 是\nB. 否\n请从“A”、“B”中选择，只回答字母。",
               record.text("text"), target.text("span2_text"), target.text("span1_text"))),
           label == "true" ? "A" : "B",
           {}});
    }
    return items;
  };
  task.score = letter_score(cluewsc_letter);
  return task;
}

Task ceval() {
  Task task;
  task.name = "ceval";
  task.title = task.published = "C-Eval";
  task.metric = "EM";
  task.form = {"id, question, A, B, C, D, answer", {}};
  const DataForm form = task.form;
  task.items = [form](const TaskInput& input, int) {
    std::vector<Item> items;
    for (const Record& record : read_records(input.data, form)) {
      const std::string subject = subject_of(record);
      items.push_back(
          {record.source() + "/" + record.text_or("id", std::to_string(items.size())),
           user_message(fmt::format(
               "以下是中国关于{}考试的单项选择题，请选出其中的正确答案。\n{}\nA. {}\nB. "
               "{}\nC. {}\nD. {}\n让我们一步一步思考。答案: ",
               subject, record.text("question"), record.text("A"), record.text("B"),
               record.text("C"), record.text("D"))),
           option_letter(record, "answer", 4),
           {{"subject", subject}}});
    }
    return items;
  };
  task.score = letter_score(ceval_letter);
  return task;
}

}  // namespace

std::vector<Task> choice_tasks() {
  return {mmlu(), mmlu_pro(), gpqa(), longbench_v2(), cluewsc(), ceval()};
}

}  // namespace fathom::eval
