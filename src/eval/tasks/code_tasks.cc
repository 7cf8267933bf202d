// Tasks whose answer is a program that runs against tests, and SWE-bench, whose answer is a patch.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/rng.h"
#include "eval/python_text.h"
#include "eval/sandbox/sandbox.h"
#include "eval/tasks/code_blocks.h"
#include "eval/tasks/task_lists.h"

namespace fathom::eval {
namespace {

const Sandbox& box() {
  static const Sandbox sandbox;
  return sandbox;
}

// A run as the journal keeps it: whether it passed, how it ended, what it complained of.
std::string run_verdict(bool passed, const std::string& ended, const std::string& complaint) {
  constexpr size_t kTail = 1000;
  const std::string tail = complaint.substr(complaint.size() - std::min(complaint.size(), kTail));
  return Json{{"passed", passed}, {"ended", ended}, {"complaint", tail}}.dump(
      -1, ' ', false, Json::error_handler_t::replace);
}

Outcome score_run(const Item&, const std::string&, const std::string& verdict) {
  const Json run = Json::parse(verdict);
  return {run.at("passed").get<bool>() ? 1.0 : 0.0, run.at("ended"), {}};
}

// --- HumanEval ---

// What the tests run: a function by that name replaces the prompt's, whose imports and helpers
// stay; anything else goes on where the prompt ends.
std::string completed_program(const Json& reference, const std::string& answer) {
  const std::string prompt = reference.at("prompt"), entry = reference.at("entry_point");
  const std::string code = code_block(answer, {"python", "py", ""}).value_or(answer);
  const std::string head = "def " + entry;
  if (code.find(head) == std::string::npos) return prompt + code;
  return prompt.substr(0, prompt.find(head)) + "\n" + code;
}

std::string run_humaneval(const Item& item, const std::string& answer, const Ask&) {
  const Json& reference = item.reference;
  // Printed after the last test alone, so that a program which ends early does not pass.
  const std::string token =
      fmt::format("passed {:016x}", splitmix64(std::hash<std::string>()(item.id + answer)));
  SandboxJob job;
  job.command = {"python3", "program.py"};
  job.files = {{"program.py", fmt::format("{}\n{}\ncheck({})\nprint('\\n{}')\n",
                                          completed_program(reference, answer),
                                          reference.at("test").get<std::string>(),
                                          reference.at("entry_point").get<std::string>(), token)}};
  const SandboxResult result = box().run(job);
  const bool passed = result.end == SandboxEnd::kExited && result.exit_code == 0 &&
                      python::strip(text_of(result.output)).ends_with(token);
  return run_verdict(passed, describe(result), text_of(result.error));
}

Task humaneval() {
  Task task;
  task.name = "humaneval";
  task.title = "HumanEval";
  task.published = "HumanEval-Mul";
  task.metric = "Pass@1";
  task.form = {"task_id, prompt, entry_point, canonical_solution, test", {}};
  task.check = [] { box(); };
  const DataForm form = task.form;
  task.items = [form](const TaskInput& input, int) {
    std::vector<Item> items;
    for (const Record& record : read_records(input.data, form)) {
      items.push_back(
          {record.text("task_id"),
           user_message("Read the following function signature and docstring, and fully "
                        "implement the function described. Your response should only "
                        "contain the code for this function.\n" +
                        record.text("prompt")),
           {{"prompt", record.text("prompt")},
            {"entry_point", record.text("entry_point")},
            {"test", record.text("test")}},
           {}});
    }
    return items;
  };
  task.verdict = run_humaneval;
  task.score = score_run;
  task.note = "Python alone; the published figures are the mean over eight languages.";
  return task;
}

// --- Codeforces-style problems ---

struct Program {
  std::vector<std::string> command;
  std::vector<SandboxFile> files;
};

// Builds a C++ program in the box too. Nothing, and why, where it does not compile.
std::optional<Program> built(const std::string& answer, std::string& complaint) {
  if (const auto python = code_block(answer, {"python", "py", "python3"})) {
    return Program{{"python3", "program.py"}, {{"program.py", *python}}};
  }
  const auto source = code_block(answer, {"cpp", "c++", "cc", ""});
  if (!source) {
    complaint = "no fenced block of C++ or Python";
    return std::nullopt;
  }
  SandboxJob job;
  job.command = {"sh", "-c", "g++ -std=c++20 -O2 -s -o /tmp/a program.cc 1>&2 && cat /tmp/a"};
  job.files = {{"program.cc", *source}};
  job.limits.wall = std::chrono::seconds(60);
  job.limits.output_bytes = uint64_t{16} << 20;
  SandboxResult result = box().run(job);
  if (result.end != SandboxEnd::kExited || result.exit_code != 0) {
    complaint = describe(result) + " while compiling: " + text_of(result.error);
    return std::nullopt;
  }
  return Program{{"/box/program"}, {{"program", std::move(result.output), true}}};
}

std::string run_tests(const Item& item, const std::string& answer, const Ask&) {
  std::string complaint;
  const auto program = built(answer, complaint);
  if (!program) return run_verdict(false, "not compiled", complaint);
  const Json& tests = item.reference.at("tests");
  for (size_t i = 0; i < tests.size(); ++i) {
    SandboxJob job;
    job.command = program->command;
    job.files = program->files;
    job.input = tests[i].at("input");
    // Of the processor, so that what else this machine does changes no verdict.
    job.limits.cpu = std::chrono::milliseconds(
        static_cast<int64_t>(1000 * item.reference.at("time_limit").get<double>()));
    job.limits.wall = 5 * job.limits.cpu + std::chrono::seconds(10);
    job.limits.memory_bytes = item.reference.at("memory_limit").get<uint64_t>() << 20;
    job.limits.output_bytes = uint64_t{16} << 20;
    const SandboxResult result = box().run(job);
    const std::string where = fmt::format("test {} of {}", i + 1, tests.size());
    if (result.end != SandboxEnd::kExited || result.exit_code != 0) {
      return run_verdict(false, fmt::format("{}: {}", where, describe(result)),
                         text_of(result.error));
    }
    const auto ours = python::split(text_of(result.output));
    if (ours != python::split(tests[i].at("output").get<std::string>())) {
      return run_verdict(false, where + ": wrong answer", text_of(result.output));
    }
  }
  return run_verdict(true, "ok", "");
}

double number_of(const Record& record, const char* name, const std::string& otherwise) {
  const std::string text = record.text_or(name, otherwise);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  if (!whole || !(value > 0 && value < 1e6)) {
    record.refuse(fmt::format("\"{}\" is {}, expected a number above 0", name, text));
  }
  return value;
}

Item contest_item(const Record& record, size_t index) {
  const double time_limit = number_of(record, "time_limit", "2");
  const Json& tests = record.value("tests");
  if (!tests.is_array() || tests.empty()) record.refuse("\"tests\" is no list of cases");
  for (const Json& test : tests) {
    if (!test.is_object() || !test.value("input", Json()).is_string() ||
        !test.value("output", Json()).is_string()) {
      record.refuse("a test is no {input, output}, both strings");
    }
  }
  Item item{record.text_or("id", std::to_string(index)),
            user_message(fmt::format(
                "Solve the following competitive programming problem. The program reads standard "
                "input and writes standard output. Think first, then give the whole program in one "
                "fenced block marked cpp (C++20) or python.\n\nTime limit: {} s\n\n{}",
                time_limit, record.text("statement"))),
            {{"tests", tests},
             {"time_limit", time_limit},
             {"memory_limit", static_cast<uint64_t>(number_of(record, "memory_limit", "256"))}},
            {}};
  if (record.has("rating")) item.groups["rating"] = record.text("rating");
  return item;
}

Task codeforces() {
  Task task;
  task.name = "codeforces";
  task.title = "Codeforces-style problems";
  task.metric = "Pass@1";
  task.form = {"id, statement, tests [{input, output}], time_limit (seconds), memory_limit (MB)",
               {}};
  task.check = [] { box(); };
  const DataForm form = task.form;
  task.items = [form](const TaskInput& input, int) {
    std::vector<Item> items;
    for (const Record& record : read_records(input.data, form)) {
      items.push_back(contest_item(record, items.size()));
    }
    return items;
  };
  task.verdict = run_tests;
  task.score = score_run;
  task.note =
      "Share of problems whose tests all pass, output compared word by word. The report's "
      "Codeforces figure is a percentile among contestants and can't be set beside it.";
  return task;
}

// --- SWE-bench Verified ---

std::vector<Item> swe_items(const TaskInput& input, const DataForm& form) {
  std::vector<Item> items;
  for (const Record& record : read_records(input.data, form)) {
    const std::string sources = record.text_or("text", "");
    items.push_back(
        {record.text("instance_id"),
         user_message(fmt::format("Repository {} at commit {}.\n\n<issue>\n{}\n</issue>\n{}\nWrite "
                                  "a patch that resolves "
                                  "the issue, as a unified diff that `git apply` takes, in one "
                                  "fenced block marked diff.",
                                  record.text("repo"), record.text("base_commit"),
                                  record.text("problem_statement"),
                                  sources.empty() ? "" : "\n" + sources + "\n")),
         record.text("instance_id"),
         {{"repo", record.text("repo")}}});
  }
  return items;
}

Task swe_bench() {
  Task task;
  task.name = "swe_bench_verified";
  task.title = "SWE-bench Verified";
  task.metric = "answers with a patch";
  task.form = {
      "instance_id, repo, base_commit, problem_statement, and text (files to show) where "
      "there is such",
      {}};
  const DataForm form = task.form;
  task.items = [form](const TaskInput& input, int) { return swe_items(input, form); };
  task.score = [](const Item&, const std::string& answer, const std::string&) {
    const auto patch = code_block(answer, {"diff", "patch"});
    return Outcome{patch ? 1.0 : 0.0, patch ? Json(*patch) : Json(), {}};
  };
  task.export_name = "predictions.jsonl";
  task.export_line = [](const Item& item, const std::string& answer, const std::string& model) {
    return Json{{"instance_id", item.id},
                {"model_name_or_path", model},
                {"model_patch", code_block(answer, {"diff", "patch"}).value_or("")}};
  };
  task.note =
      "The figure only says how many answers hold a patch. Whether they resolve their issues "
      "is for the official harness: python -m swebench.harness.run_evaluation "
      "--predictions_path predictions.jsonl.";
  return task;
}

}  // namespace

std::vector<Task> code_tasks() { return {humaneval(), codeforces(), swe_bench()}; }

}  // namespace fathom::eval
