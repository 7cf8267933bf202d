#include "train/data/generator.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <map>

#include "base/error.h"
#include "train/data/tasks.h"

namespace fathom::train {
namespace {

constexpr Task kTraining[] = {
    {"copy", 5},     {"reverse", 10},  {"sort", 13},      {"count", 6},       {"compare", 8},
    {"add", 9},      {"subtract", 12}, {"retrieval", 36}, {"facts", 7},       {"unknown", 2},
    {"greeting", 3}, {"json", 6},      {"tool_call", 11}, {"tool_result", 9}, {"code", 4}};

constexpr const char* kCapabilities[] = {
    "copy",     "reverse",      "sort",          "count",         "compare",        "add",
    "subtract", "retrieval_64", "retrieval_256", "retrieval_512", "retrieval_1024", "facts",
    "unknown",  "greeting",     "json",          "tool_call",     "tool_result",    "code"};

Lesson facts_lesson(Rng& rng) {
  return chance(rng, 0.6) ? capital_lesson(rng) : currency_lesson(rng);
}

/// Short contexts are many, long ones have most of the tokens. Several questions over one context,
/// a third of them after names that it does not mention, show side by side what tells the two
/// apart.
Lesson training_retrieval(Rng& rng) {
  static constexpr int64_t kLengths[] = {20, 20, 40, 40, 80, 80, 160, 160, 320, 600, 1100};
  const int64_t tokens = pick(rng, kLengths) * between(rng, 60, 100) / 100;
  return retrieval_lesson(rng, tokens, 2 + tokens / 50, 0.6);
}

/// The suite's: `tokens` is the most that the whole prompt takes.
auto retrieval_within(int64_t tokens) {
  return [tokens](Rng& rng) {
    return retrieval_lesson(rng, tokens * between(rng, 55, 85) / 100, 1, 0.25);
  };
}

using Make = std::function<Lesson(Rng&)>;

const std::map<std::string, Make>& makers() {
  static const std::map<std::string, Make> table = {{"copy", copy_lesson},
                                                    {"drill", drill_lesson},
                                                    {"numbers", numbers_lesson},
                                                    {"reverse", reverse_lesson},
                                                    {"sort", sort_lesson},
                                                    {"count", count_lesson},
                                                    {"compare", compare_lesson},
                                                    {"add", add_lesson},
                                                    {"subtract", subtract_lesson},
                                                    {"retrieval", training_retrieval},
                                                    {"retrieval_64", retrieval_within(64)},
                                                    {"retrieval_256", retrieval_within(256)},
                                                    {"retrieval_512", retrieval_within(512)},
                                                    {"retrieval_1024", retrieval_within(1024)},
                                                    {"facts", facts_lesson},
                                                    {"unknown", unknown_lesson},
                                                    {"greeting", greeting_lesson},
                                                    {"json", json_lesson},
                                                    {"tool_call", tool_call_lesson},
                                                    {"tool_result", tool_result_lesson},
                                                    {"code", code_lesson}};
  return table;
}

}  // namespace

std::span<const Task> training_tasks() { return kTraining; }
std::span<const char* const> capability_tasks() { return kCapabilities; }

Lesson Generator::next(const std::string& task, bool want_held_out) {
  const auto maker = makers().find(task);
  if (maker == makers().end()) fail(ErrorKind::kUsage, "no task is called {}", task);
  while (true) {
    Lesson lesson = maker->second(rng_);
    lesson.task = task;
    if (lesson.key.empty() || held_out(lesson.key) == want_held_out) return lesson;
  }
}

Lesson Generator::next(bool want_held_out) {
  written_.resize(std::size(kTraining), 0.0);
  size_t task = 0;
  for (size_t i = 1; i < written_.size(); ++i) {
    if (written_[i] / kTraining[i].share < written_[task] / kTraining[task].share) task = i;
  }
  Lesson lesson = next(kTraining[task].name, want_held_out);
  if (lesson.tools.is_null() && lesson.messages.size() == 1 && chance(rng_, 0.1)) {
    const Lesson before = next("greeting", want_held_out);
    Json messages = before.messages;
    messages.push_back({{"role", "assistant"}, {"content", before.reply}});
    messages.push_back(lesson.messages[0]);
    lesson.messages = std::move(messages);
  }
  written_[task] += static_cast<double>(lesson.messages.dump().size() + lesson.reply.size());
  return lesson;
}

}  // namespace fathom::train
