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

/// As many as asked for, each as `make` gives it, but none twice.
template <typename Make>
Items distinct_items(int64_t count, Make&& make) {
  Items items;
  while (std::ssize(items) < count) {
    std::string item = make();
    if (std::find(items.begin(), items.end(), item) == items.end()) items.push_back(item);
  }
  return items;
}

Items random_items(Rng& rng, Kind kind, int64_t count) {
  return distinct_items(count, [&] { return random_item(rng, kind); });
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

std::string copy_prompt(Rng& rng, const Items& items) {
  static constexpr const char* kPrompts[] = {"Repeat: {}", "Copy this exactly: {}", "重复: {}"};
  return fmt::format(fmt::runtime(pick(rng, kPrompts)), join(items));
}

constexpr Kind kAnyKind[] = {Kind::kWords,   Kind::kWords,  Kind::kChinese,
                             Kind::kLetters, Kind::kDigits, Kind::kNumbers};

}  // namespace

Lesson copy_lesson(Rng& rng) {
  const Items items = random_items(rng, pick(rng, kAnyKind), between(rng, 2, 10));
  return list_lesson("copy", copy_prompt(rng, items), items, items);
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
  const int64_t count = between(rng, 4, chance(rng, 0.5) ? 16 : 70);
  const Items items = distinct_items(count, [&] { return any_item(rng); });
  if (chance(rng, 0.4)) return list_lesson("drill", "Repeat: " + join(items), items, items);
  if (chance(rng, 0.4)) {
    return list_lesson("drill", "Reverse: " + join(items), items,
                       Items(items.rbegin(), items.rend()));
  }
  const auto from = static_cast<int64_t>(rng.below(items.size() - 1));
  return list_lesson("drill", fmt::format("List: {}\nGo on from {}", join(items), items[from]),
                     items, Items(items.begin() + from, items.end()));
}

Lesson numbers_lesson(Rng& rng) {
  const int64_t count = between(rng, 3, chance(rng, 0.5) ? 10 : 16);
  // Half of them of few digits: then the digit before says little about the next one.
  const int64_t tens = chance(rng, 0.5) ? 3 : 9;
  const int64_t turn = between(rng, 0, 8);
  const Items items = distinct_items(count, [&] {
    const int64_t ten = 1 + (turn + between(rng, 0, tens - 1)) % 9;
    return fmt::format("{}{}", ten, between(rng, 0, 9));
  });
  return list_lesson("copy", copy_prompt(rng, items), items, items);
}

Lesson reverse_lesson(Rng& rng) {
  static constexpr const char* kPrompts[] = {"Reverse: {}", "Write in reverse order: {}",
                                             "倒序: {}"};
  const Items items = random_items(rng, pick(rng, kAnyKind), between(rng, 2, 8));
  return list_lesson("reverse", fmt::format(fmt::runtime(pick(rng, kPrompts)), join(items)), items,
                     Items(items.rbegin(), items.rend()));
}

Lesson sort_lesson(Rng& rng) {
  static constexpr const char* kPrompts[] = {"Sort: {}", "Sort in ascending order: {}", "排序: {}"};
  static constexpr Kind kKinds[] = {Kind::kLetters, Kind::kDigits, Kind::kNumbers, Kind::kNumbers};
  const Kind kind = pick(rng, kKinds);
  const Items items = random_items(rng, kind, between(rng, 2, 7));
  Items sorted = items;
  std::sort(sorted.begin(), sorted.end());  // of equal length, so numbers sort as text too
  return list_lesson("sort", fmt::format(fmt::runtime(pick(rng, kPrompts)), join(items)), items,
                     sorted);
}

Lesson count_lesson(Rng& rng) {
  static constexpr Kind kKinds[] = {Kind::kWords, Kind::kChinese, Kind::kLetters};
  static constexpr const char* kPrompts[] = {"How many items? {}", "Count: {}", "数一数: {}"};
  const Items items = random_items(rng, pick(rng, kKinds), between(rng, 2, 10));
  Lesson lesson =
      list_lesson("count", fmt::format(fmt::runtime(pick(rng, kPrompts)), join(items)), items, {});
  Items aloud;
  for (const std::string& item : items) {
    aloud.push_back(fmt::format("{} {}", item, aloud.size() + 1));
  }
  lesson.reply = fmt::format("{}: {}", join(aloud), items.size());
  lesson.answer = std::to_string(items.size());
  lesson.check = Check::kNumber;
  return lesson;
}

}  // namespace fathom::train
