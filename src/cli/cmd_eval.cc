// fathom eval: benchmarks over any server, their scorers alone, and comparisons of results.
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "checkpoint/checkpoint.h"
#include "cli/commands.h"
#include "cli/default_model.h"
#include "cli/eval_perplexity.h"
#include "cli/json_lines.h"
#include "cli/own_server.h"
#include "cli/progress_bar.h"
#include "eval/evaluation.h"
#include "eval/report/results.h"
#include "eval/score_line.h"
#include "io/file_system.h"
#include "weights/fingerprint.h"

namespace fathom::cli {
namespace {

struct EvalOptions {
  std::string dir, data, shots_data, out;
  std::string api, key, model_name;
  std::string judge_api, judge_key, judge_model, judge_prompt;
  std::string tokenizer;
  std::vector<int64_t> lengths = {256, 512, 1024, 2048, 4096};
  std::vector<int> depths = {0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100};
  int repeats = 1;
  int64_t max_context_chars = 0;
  int concurrency = 16, tries = 8;
  int64_t timeout = 1800;
  eval::Settings settings;
};

// One line on the terminal with the score so far.
class ScoreLine {
 public:
  explicit ScoreLine(std::string title) : title_(std::move(title)), enabled_(isatty(2) == 1) {}
  ~ScoreLine() {
    if (enabled_) std::fputs("\r\x1b[K", stderr);
  }

  void draw(const eval::Progress& progress) {
    const auto now = Clock::now();
    if (!enabled_ || (progress.done < progress.total && now - drawn_ < kPause)) return;
    drawn_ = now;
    const size_t scored = progress.done - progress.failed;
    const double seconds = std::chrono::duration<double>(now - start_).count();
    const double left = seconds / static_cast<double>(progress.done) *
                        static_cast<double>(progress.total - progress.done);
    std::fputs(
        fmt::format("\r{} {}/{}  score {:.1f}  failed {}  {} left\x1b[K", title_, progress.done,
                    progress.total,
                    scored == 0 ? 0.0 : 100 * progress.score_sum / static_cast<double>(scored),
                    progress.failed, clock_text(left))
            .c_str(),
        stderr);
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr auto kPause = std::chrono::milliseconds(100);

  std::string title_;
  bool enabled_;
  Clock::time_point start_ = Clock::now(), drawn_{};
};

eval::Endpoint endpoint(const EvalOptions& options, HttpAddress address, const std::string& key,
                        const std::string& model) {
  eval::Endpoint made;
  made.address = std::move(address);
  made.key = key;
  made.model = model;
  made.timeout = std::chrono::seconds(options.timeout);
  made.tries = options.tries;
  return made;
}

nlohmann::ordered_json task_options(const eval::Task& task, const EvalOptions& options) {
  nlohmann::ordered_json own = nlohmann::ordered_json::object();
  if (task.name == "needle") {
    own = {{"lengths", options.lengths},
           {"depths", options.depths},
           {"repeats", options.repeats},
           {"tokenizer", options.tokenizer}};
    if (options.tokenizer.empty() && options.api.empty()) {
      own["tokenizer"] = options.dir.empty() ? default_model_dir() : options.dir;
    }
  }
  if (options.max_context_chars > 0) own["max_context_chars"] = options.max_context_chars;
  if (!options.judge_prompt.empty()) own["judge_prompt"] = io::read_file(options.judge_prompt);
  return own;
}

std::string output_folder(const eval::RunPlan& plan, const EvalOptions& options) {
  if (!options.out.empty()) return options.out;
  std::string name = fmt::format("eval-{}-{}", plan.task->name, plan.model.model);
  for (char& c : name) {
    if (c == '/' || c == ' ') c = '_';
  }
  return name;
}

std::string base_name(const std::string& dir) {
  const std::string trimmed = dir.substr(0, dir.find_last_not_of('/') + 1);
  return trimmed.substr(trimmed.find_last_of('/') + 1);
}

void run(const eval::Task& task, const EvalOptions& options) {
  if (!options.api.empty() && !options.dir.empty()) {
    fail(ErrorKind::kUsage, "both --api and a model's directory are given; expected one of them");
  }
  eval::RunPlan plan;
  plan.task = &task;
  plan.input = {options.data, options.shots_data, options.settings, task_options(task, options)};
  plan.concurrency = options.concurrency;
  eval::require_complete(plan, !options.judge_api.empty());
  std::optional<OwnServer> server;
  std::string url = options.api, model = options.model_name;
  if (url.empty()) {
    const std::string dir = options.dir.empty() ? default_model_dir() : options.dir;
    if (model.empty()) model = base_name(dir);
    plan.model_source = weights_fingerprint(Checkpoint::open(dir));
    server.emplace(dir, model);
    url = server->url();
  }
  if (model.empty()) fail(ErrorKind::kUsage, "--model-name is missing");
  plan.model = endpoint(options, parse_http_address("--api", url), options.key, model);
  if (!server) plan.model_source = plan.model.address.text();
  if (!options.judge_api.empty()) {
    plan.judge = endpoint(options, parse_http_address("--judge-api", options.judge_api),
                          options.judge_key, options.judge_model);
  }
  const std::string folder = output_folder(plan, options);
  ScoreLine line(task.title);
  const auto document =
      eval::evaluate(plan, folder, [&](const eval::Progress& progress) { line.draw(progress); });
  write_stdout(eval::results_text(document) +
               fmt::format("{0}/results.json, {0}/report.html\n", folder));
  if (document.at("answered") == 0) {
    fail(ErrorKind::kIo, "{}: none of {} requests was answered", folder,
         document.at("requests").dump());
  }
}

void add_connection_options(CLI::App& command, EvalOptions& options) {
  command.add_option("DIR", options.dir,
                     "A model's directory: served here for the run (default: the embedded model)");
  command.add_option("--api", options.api, "Address of a server, up to before /chat/completions");
  command.add_option("--api-key", options.key, "Its key")->envname("FATHOM_EVAL_API_KEY");
  command.add_option("--model-name", options.model_name, "Its name for the model");
  command.add_option("--concurrency", options.concurrency, "Requests at a time")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command.add_option("--tries", options.tries, "For each request, with growing waits")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  command.add_option("--timeout", options.timeout, "Seconds for one answer")
      ->check(CLI::Range(1, 86400))
      ->capture_default_str();
  command.add_option("--out", options.out,
                     "Folder of journal, results and report (default: eval-TASK-MODEL)");
}

void add_sampling_options(CLI::App& command, EvalOptions& options) {
  eval::Settings& settings = options.settings;
  command.add_option("--samples", settings.samples, "Answers to each item")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command
      .add_option("--temperature", settings.temperatures,
                  "One, or several with commas between, which the samples take in turn")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Range(0.0, 2.0))
      ->capture_default_str();
  command.add_option("--max-tokens", settings.max_tokens, "Of an answer")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  command.add_option("--seed", settings.seed, "Of shuffled options, examples, generated items")
      ->capture_default_str();
  command.add_option("--limit", settings.limit, "Items to take (0: all)")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
}

void add_task_options(CLI::App& command, const eval::Task& task, EvalOptions& options) {
  if (task.needs_data) {
    command.add_option("--data", options.data, "File or folder with " + task.form.expected)
        ->required();
  }
  if (task.defaults.shots > 0) {
    command.add_option("--shots", options.settings.shots, "Solved examples before the question")
        ->check(CLI::Range(0, 100))
        ->capture_default_str();
    command.add_option("--shots-data", options.shots_data,
                       "Where they come from, in --data's form");
  }
  if (task.needs_judge) {
    command.add_option("--judge-api", options.judge_api, "Address of the judge's server");
    command.add_option("--judge-key", options.judge_key, "Its key")
        ->envname("FATHOM_EVAL_JUDGE_KEY");
    command.add_option("--judge-model", options.judge_model, "Its name for the model");
    command.add_option("--judge-prompt", options.judge_prompt,
                       "File to use for the grading instructions, with {question}, {target} and "
                       "{answer}");
  }
  if (task.name == "longbench_v2") {
    command
        .add_option("--max-context-chars", options.max_context_chars,
                    "Longer prompts lose their middle (0: none does)")
        ->check(CLI::NonNegativeNumber);
  }
  if (task.name == "needle") {
    command.add_option("--lengths", options.lengths, "Tokens of the prompts")
        ->check(CLI::Range(32, 1 << 21))
        ->delimiter(',')
        ->allow_extra_args(false);
    command.add_option("--depths", options.depths, "Per cent of the text before the needle")
        ->check(CLI::Range(0, 100))
        ->delimiter(',')
        ->allow_extra_args(false);
    command.add_option("--repeats", options.repeats, "Items for each length and depth")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    command.add_option("--tokenizer", options.tokenizer,
                       "Directory with tokenizer.json to count with (default: DIR's; over --api "
                       "four bytes a token)");
  }
}

void add_task(CLI::App& eval, const eval::Task& task) {
  const auto options = std::make_shared<EvalOptions>();
  options->settings = task.defaults;
  CLI::App* command =
      eval.add_subcommand(task.name, fmt::format("{} ({})", task.title, task.metric));
  add_task_options(*command, task, *options);
  add_connection_options(*command, *options);
  add_sampling_options(*command, *options);
  command->callback([&task, options] { run(task, *options); });
}

void add_score(CLI::App& eval) {
  CLI::App* command = eval.add_subcommand(
      "score",
      "The scorers alone: lines {\"task\", \"prediction\", \"reference\"} on stdin, the "
      "same with \"got\" on stdout");
  command->callback([] {
    answer_json_lines([](const nlohmann::ordered_json& line) {
      nlohmann::ordered_json answer = line;
      answer["got"] = eval::score_line(line);
      return answer;
    });
  });
}

void add_compare(CLI::App& eval) {
  struct Options {
    std::string a, b;
    bool json = false;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* command = eval.add_subcommand(
      "compare", "Two results.json of one task: is the difference significant?");
  command->add_option("A", options->a, "results.json")->required();
  command->add_option("B", options->b, "results.json")->required();
  command->add_flag("--json", options->json, "Print JSON");
  command->callback([options] {
    const auto comparison =
        eval::compare_results(eval::read_results(options->a), eval::read_results(options->b));
    write_stdout(options->json ? comparison.dump(1) + "\n" : eval::comparison_text(comparison));
  });
}

}  // namespace

void add_eval(CLI::App& app) {
  CLI::App* command = app.add_subcommand("eval", "Run benchmarks over any server, and compare");
  command->require_subcommand(1);
  for (const eval::Task& task : eval::tasks()) add_task(*command, task);
  add_eval_perplexity(*command);
  add_score(*command);
  add_compare(*command);
}

}  // namespace fathom::cli
