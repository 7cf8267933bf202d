// fathom eval: benchmarks over any server, and their scorers alone.
#include <memory>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/json_lines.h"
#include "eval/score_line.h"

namespace fathom::cli {
namespace {

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

}  // namespace

void add_eval(CLI::App& app) {
  CLI::App* command = app.add_subcommand("eval", "Run benchmarks over any server, and compare");
  command->require_subcommand(1);
  add_score(*command);
}

}  // namespace fathom::cli
