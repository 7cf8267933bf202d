// Every task over the items of our own in tests/data/eval.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "eval/data/csv.h"
#include "eval/tasks/code_blocks.h"
#include "eval/tasks/task.h"

namespace fathom::eval {
namespace {

TaskInput input(const std::string& data, const std::string& shots = "") {
  TaskInput made;
  const std::string folder = FATHOM_SOURCE_DIR "/tests/data/eval/";
  made.data = folder + data;
  if (!shots.empty()) made.shots = folder + shots;
  return made;
}

std::vector<Item> items(const std::string& task, const TaskInput& from, int sample = 0) {
  return find_task(task).items(from, sample);
}

double score(const std::string& task, const Item& item, const std::string& answer,
             const std::string& verdict = "") {
  return find_task(task).score(item, answer, verdict).score;
}

std::string prompt(const Item& item) { return item.messages.back().at("content"); }

TEST(TasksTest, Mmlu) {
  const auto all = items("mmlu", input("mmlu.csv"));
  ASSERT_EQ(all.size(), 3u);
  EXPECT_NE(prompt(all[1]).find("\n\nA) glass\nB) dry wood\nC) copper, drawn to wire\nD) rubber"),
            std::string::npos);
  EXPECT_EQ(all[0].groups.at("subject"), "elementary_mathematics");
  EXPECT_EQ(score("mmlu", all[1], "It is a metal.\nAnswer: C"), 1);
  EXPECT_EQ(score("mmlu", all[1], "Answer: (C)"), 0);
}

TEST(TasksTest, MmluWithoutAHeaderTakesTheSubjectFromTheFile) {
  const auto all = items("mmlu", input("mmlu_original"));
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].groups.at("subject"), "river_ecology");
  EXPECT_EQ(score("mmlu", all[0], "Answer: B"), 1);
}

TEST(TasksTest, GpqaShufflesEachSampleAnewAndKeepsTheKey) {
  int moved = 0;
  for (int sample = 0; sample < 8; ++sample) {
    const auto all = items("gpqa_diamond", input("gpqa_diamond.csv"), sample);
    const std::string key = all[0].reference;
    EXPECT_NE(prompt(all[0]).find("\n" + key + ") 2"), std::string::npos) << prompt(all[0]);
    EXPECT_EQ(score("gpqa_diamond", all[0], "Answer: " + key), 1);
    moved += key != "A";
  }
  EXPECT_GT(moved, 0);
  EXPECT_EQ(items("gpqa_diamond", input("gpqa_diamond.csv"), 3)[0].messages,
            items("gpqa_diamond", input("gpqa_diamond.csv"), 3)[0].messages);
}

TEST(TasksTest, MmluProShowsExamplesOfTheSameCategory) {
  TaskInput with_shots = input("mmlu_pro.jsonl", "mmlu_pro_shots.jsonl");
  with_shots.settings.shots = 5;
  const auto all = items("mmlu_pro", with_shots);
  EXPECT_NE(prompt(all[0]).find("about physics."), std::string::npos);
  EXPECT_NE(prompt(all[0]).find("Answer: Let's think step by step. Energy is"), std::string::npos);
  EXPECT_EQ(prompt(all[0]).find("What is 7 plus 8?"), std::string::npos);
  EXPECT_TRUE(prompt(all[0]).ends_with("Answer: Let's think step by step.\n\n"));
  EXPECT_EQ(score("mmlu_pro", all[0], "3 turns in 2 s. The answer is (B)."), 1);
}

TEST(TasksTest, CEvalAndCluewsc) {
  const auto exam = items("ceval", input("ceval"));
  ASSERT_EQ(exam.size(), 2u);
  EXPECT_EQ(exam[1].groups.at("subject"), "river_ecology");
  EXPECT_EQ(score("ceval", exam[1], "所以答案是C。"), 1);
  const auto pronouns = items("cluewsc", input("cluewsc.jsonl"));
  EXPECT_NE(prompt(pronouns[0]).find("“他”是否指代“守塔人”"), std::string::npos);
  EXPECT_EQ(score("cluewsc", pronouns[0], "A"), 1);
  EXPECT_EQ(score("cluewsc", pronouns[1], "A. 是"), 0);
}

TEST(TasksTest, LongBenchCutsTheMiddleOfALongPrompt) {
  TaskInput cut = input("longbench_v2.jsonl");
  EXPECT_EQ(score("longbench_v2", items("longbench_v2", cut)[0], "The correct answer is (C)"), 1);
  cut.options["max_context_chars"] = 300;
  const std::string text = prompt(items("longbench_v2", cut)[0]);
  EXPECT_EQ(text.size(), 300u);
  EXPECT_TRUE(text.starts_with("Please read"));
  EXPECT_TRUE(text.ends_with("(insert answer here)\"."));
}

TEST(TasksTest, DropReadsBothForms) {
  TaskInput with_shots = input("drop.jsonl", "drop_shots.jsonl");
  with_shots.settings.shots = 3;
  const auto all = items("drop", with_shots);
  EXPECT_NE(prompt(all[0]).find("# Your Task"), std::string::npos);
  const Outcome outcome = find_task("drop").score(all[0], "2 + 3.\nAnswer: five", "");
  EXPECT_EQ(outcome.score, 1);
  EXPECT_EQ(outcome.metrics.at("em"), 1);

  const auto official = items("drop", input("drop_official.json"));
  ASSERT_EQ(official.size(), 3u);
  EXPECT_EQ(official[0].id, "k1");
  EXPECT_EQ(score("drop", official[0], "Answer: 21"), 1);
  EXPECT_EQ(score("drop", official[2], "Answer: 14 March 1881"), 1);
}

TEST(TasksTest, Mathematics) {
  const auto math = items("math_500", input("math_500.jsonl"));
  EXPECT_EQ(math[0].id, "own/1");
  EXPECT_EQ(score("math_500", math[1], "so \\boxed{\\sqrt2}"), 1);
  const auto aime = items("aime_2024", input("aime_2024.jsonl"));
  EXPECT_EQ(score("aime_2024", aime[0], "\\boxed{401}"), 1);
  const Outcome padded = find_task("aime_2024").score(aime[1], "\\boxed{33}", "");
  EXPECT_EQ(padded.score, 0);  // as the published scorer has it
  EXPECT_EQ(padded.metrics.at("same_integer"), 1);
  EXPECT_EQ(find_task("aime_2024").defaults.samples, 16);
  const auto cnmo = items("cnmo_2024", input("cnmo_2024.jsonl"));
  EXPECT_EQ(score("cnmo_2024", cnmo[0], "因此 \\boxed{55}"), 1);
}

TEST(TasksTest, JudgesSeeQuestionTargetAndAnswer) {
  for (const char* name : {"simpleqa", "c_simpleqa", "frames"}) {
    const Task& task = find_task(name);
    const auto all = task.items(input(std::string(name) + ".jsonl"), 0);
    std::string asked;
    const std::string verdict =
        task.verdict(all[0], "maybe {target}", [&](const Messages& messages) {
          asked = messages.back().at("content");
          return std::string(name) == "frames" ? "Explanation: same\nDecision: TRUE" : "A";
        });
    EXPECT_NE(asked.find(all[0].reference["question"].get<std::string>()), std::string::npos);
    EXPECT_NE(asked.find(all[0].reference["target"].get<std::string>()), std::string::npos);
    EXPECT_NE(asked.find("maybe {target}"), std::string::npos) << "an answer is no form to fill in";
    EXPECT_EQ(task.score(all[0], "x", verdict).score, 1) << name;
    EXPECT_EQ(task.score(all[0], "x", "no").score, 0) << name;
  }
}

TEST(TasksTest, SweBenchWritesPredictions) {
  const Task& task = find_task("swe_bench_verified");
  const auto all = task.items(input("swe_bench_verified.jsonl"), 0);
  const std::string patch = "--- a/lamp.py\n+++ b/lamp.py\n@@ -1 +1 @@\n-on\n+off\n";
  const std::string answer = "It is this:\n```diff\n" + patch + "```\n";
  const Json line = task.export_line(all[0], answer, "m");
  EXPECT_EQ(line["instance_id"], "keepers__tower-1");
  EXPECT_EQ(line["model_patch"], patch);
}

TEST(TasksTest, CapabilitiesAreJudgedAsTheirPageSays) {
  const auto all = items("capabilities", input("capabilities.jsonl"));
  ASSERT_EQ(all.size(), 5u);
  const auto worth = [&](size_t i, const std::string& answer) {
    return score("capabilities", all[i], answer);
  };
  EXPECT_EQ(worth(0, " red lamp\n"), 1);
  EXPECT_EQ(worth(0, "red lamps"), 0);
  EXPECT_EQ(worth(1, "2 plus 5 is 7."), 1);
  EXPECT_EQ(worth(1, "It is -7"), 0);
  EXPECT_FALSE(all[2].tools.is_null());
  EXPECT_EQ(worth(2, R"({"tool_calls":[{"arguments":{"city":"Oslo"},"name":"weather"}]})"), 1);
  EXPECT_EQ(worth(2, R"({"tool_calls":[{"name":"weather","arguments":{"city":"Rome"}}]})"), 0);
  EXPECT_EQ(worth(2, "It is warm."), 0);
  EXPECT_EQ(worth(3, R"({"age": 9, "name": "Oda"})"), 1);
  EXPECT_EQ(worth(3, R"({"age": 9})"), 0);
  EXPECT_EQ(worth(4, "ODA did."), 1);
}

TEST(TasksTest, NeedlesLieAtTheirDepth) {
  const Task& task = find_task("needle");
  TaskInput from;
  from.options = {{"lengths", {200, 1000}}, {"depths", {0, 50, 100}}, {"repeats", 2}};
  const auto all = task.items(from, 0);
  ASSERT_EQ(all.size(), 12u);
  for (const Item& item : all) {
    const std::string text = prompt(item);
    const double at =
        static_cast<double>(text.find("The code of")) / static_cast<double>(text.size());
    EXPECT_NEAR(at, std::stod(item.groups.at("depth")) / 100, 0.12) << item.id;
    const double length = std::stod(item.groups.at("length"));
    EXPECT_LE(static_cast<double>(text.size()) / 4, length);
    EXPECT_GT(static_cast<double>(text.size()) / 4, length * 0.9 - 40);
    const auto code = item.reference.get<std::string>();
    EXPECT_EQ(text.find(" " + code), text.rfind(" " + code)) << "said elsewhere too: " << code;
    EXPECT_EQ(task.score(item, "The code is " + code, "").score, 1);
    EXPECT_EQ(task.score(item, "The code is x" + code + "y", "").score, 0);
    EXPECT_EQ(task.score(item, "I don't know.", "").score, 0);
  }
}

TEST(TasksTest, AWrongFileIsRefusedWithWhatWasExpected) {
  const auto complaint = [](const std::string& task, const std::string& data) {
    try {
      items(task, input(data));
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const std::string missing = complaint("mmlu", "gpqa_diamond.csv");
  EXPECT_NE(missing.find("gpqa_diamond.csv, line 2: no field \"A\""), std::string::npos) << missing;
  EXPECT_NE(missing.find("Question, A, B, C, D, Answer, Subject"), std::string::npos) << missing;
  EXPECT_NE(complaint("math_500", "mmlu.csv").find("no field \"problem\""), std::string::npos);
  EXPECT_NE(complaint("mmlu", "README.md").find("a .md file"), std::string::npos);
  EXPECT_NE(complaint("codeforces", "humaneval.jsonl").find("\"tests\""), std::string::npos);
  EXPECT_NE(complaint("mmlu", "nothing.csv"), "");
}

TEST(CsvTest, QuotesLineEndsAndRaggedRows) {
  const auto rows = parse_csv(
      "\xEF\xBB\xBF"
      "a,\"b \"\"c\"\"\nd\"\r\n\r\n1,\n",
      "x.csv");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].cells, (std::vector<std::string>{"a", "b \"c\"\nd"}));
  EXPECT_EQ(rows[1].cells, (std::vector<std::string>{"1", ""}));
  EXPECT_EQ(rows[1].line, 4u);
  EXPECT_THROW(parse_csv("\"open", "x.csv"), Error);
  EXPECT_THROW(parse_csv("\"a\"b,c", "x.csv"), Error);
}

TEST(CodeBlockTest, TheLastBlockOfItsLanguage) {
  EXPECT_EQ(code_block("```python\na\n```\ntext\n```Python\nb\n```", {"python"}), "b\n");
  EXPECT_EQ(code_block("```\na\n```", {"python"}), std::nullopt);
  EXPECT_EQ(code_block("```cpp\nint x;", {"cpp"}), "int x;\n");
  EXPECT_EQ(text_of("a\xff"
                    "b"),
            "a\uFFFDb");
}

}  // namespace
}  // namespace fathom::eval
