#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "train/data/tasks.h"
#include "train/data/words.h"

namespace fathom::train {
namespace {

enum class Kind { kWords, kChinese, kLetters, kDigits, kNumbers };

using Items = std::vector<std::string>;

std::string random_item(Rng& rng, Kind kind) {
  switch (kind) {
    case Kind::kWords:
      return std::string(pick(rng, english_words()));
    case Kind::kChinese:
      return std::string(pick(rng, chinese_words()));
    case Kind::kLetters:
      return std::string(1, static_cast<char>('a' + rng.below(26)));
    case Kind::kDigits:
      return std::to_string(rng.below(10));
    case Kind::kNumbers:
      return std::to_string(between(rng, 10, 99));
  }
  return {};
}

Items random_items(Rng& rng, Kind kind, int64_t count, bool distinct) {
  Items items;
  while (static_cast<int64_t>(items.size()) < count) {
    std::string item = random_item(rng, kind);
    if (distinct && std::find(items.begin(), items.end(), item) != items.end()) continue;
    items.push_back(std::move(item));
  }
  return items;
}

std::string join(const Items& items) { return fmt::format("{}", fmt::join(items, " ")); }

Lesson list_lesson(const char* task, const std::string& prompt, const Items& items, Items reply) {
  Lesson lesson;
  lesson.task = task;
  lesson.key = fmt::format("{} {}", task, join(items));
  lesson.messages = user_says(prompt);
  lesson.reply = lesson.answer = join(reply);
  return lesson;
}

constexpr Kind kAnyKind[] = {Kind::kWords,   Kind::kWords,  Kind::kChinese,
                             Kind::kLetters, Kind::kDigits, Kind::kNumbers};

}  // namespace

Lesson copy_lesson(Rng& rng) {
  static constexpr const char* kPrompts[] = {"Repeat: {}", "Copy this exactly: {}", "重复: {}"};
  const Items items = random_items(rng, pick(rng, kAnyKind), between(rng, 2, 10), false);
  return list_lesson("copy", fmt::format(fmt::runtime(pick(rng, kPrompts)), join(items)), items,
                     items);
}

/// Any word of any kind: nothing but looking it up tells which comes next.
std::string any_item(Rng& rng) {
  switch (rng.below(4)) {
    case 0:
      return std::string(pick(rng, english_names()));
    case 1:
      return std::string(pick(rng, countries()).capital);
    case 2:
      return std::string(pick(rng, colors()));
    default:
      return random_item(rng, pick(rng, kAnyKind));
  }
}

Lesson drill_lesson(Rng& rng) {
  Items items;
  const int64_t count = between(rng, 4, chance(rng, 0.5) ? 16 : 70);
  while (std::ssize(items) < count) {
    std::string item = any_item(rng);
    if (std::find(items.begin(), items.end(), item) == items.end()) items.push_back(item);
  }
  if (chance(rng, 0.5)) return list_lesson("drill", "Repeat: " + join(items), items, items);
  const auto from = static_cast<int64_t>(rng.below(items.size() - 1));
  return list_lesson("drill", fmt::format("List: {}\nGo on from {}", join(items), items[from]),
                     items, Items(items.begin() + from, items.end()));
}

Lesson reverse_lesson(Rng& rng) {
  static constexpr const char* kPrompts[] = {"Reverse: {}", "Write in reverse order: {}",
                                             "倒序: {}"};
  const Items items = random_items(rng, pick(rng, kAnyKind), between(rng, 2, 8), false);
  return list_lesson("reverse", fmt::format(fmt::runtime(pick(rng, kPrompts)), join(items)), items,
                     Items(items.rbegin(), items.rend()));
}

Lesson sort_lesson(Rng& rng) {
  static constexpr const char* kPrompts[] = {"Sort: {}", "Sort in ascending order: {}", "排序: {}"};
  static constexpr Kind kKinds[] = {Kind::kLetters, Kind::kDigits, Kind::kNumbers, Kind::kNumbers};
  const Kind kind = pick(rng, kKinds);
  const Items items = random_items(rng, kind, between(rng, 2, 7), true);
  Items sorted = items;
  std::sort(sorted.begin(), sorted.end());  // of equal length, so numbers sort as text too
  return list_lesson("sort", fmt::format(fmt::runtime(pick(rng, kPrompts)), join(items)), items,
                     sorted);
}

Lesson count_lesson(Rng& rng) {
  static constexpr Kind kKinds[] = {Kind::kWords, Kind::kChinese, Kind::kLetters};
  static constexpr const char* kPrompts[] = {"How many items? {}", "Count: {}", "数一数: {}"};
  static constexpr const char* kWordPrompts[] = {"How many times does {} occur? {}", "Count {}: {}",
                                                 "{} 出现几次? {}"};
  const Kind kind = pick(rng, kKinds);
  Items items = random_items(rng, kind, between(rng, 2, 10), false);
  // Of one item alone in half of the lessons: then it stands in a few places.
  const bool one = chance(rng, 0.5);
  const std::string target = random_item(rng, kind);
  if (one) {
    for (std::string& item : items) {
      if (chance(rng, 0.4)) item = target;
    }
  }
  int64_t count = 0;
  Items aloud;
  for (const std::string& item : items) {
    count += !one || item == target;
    aloud.push_back(fmt::format("{} {}", item, count));
  }
  const std::string list = join(items);
  Lesson lesson = list_lesson("count",
                              one ? fmt::format(fmt::runtime(pick(rng, kWordPrompts)), target, list)
                                  : fmt::format(fmt::runtime(pick(rng, kPrompts)), list),
                              items, {});
  if (one) lesson.key += " of " + target;
  lesson.reply = fmt::format("{}: {}", join(aloud), count);
  lesson.answer = std::to_string(count);
  lesson.check = Check::kNumber;
  return lesson;
}

}  // namespace fathom::train
