#include <fmt/format.h>

#include <algorithm>

#include "train/data/tasks.h"

namespace fathom::train {
namespace {

int64_t operand(Rng& rng) {
  const double draw = rng.uniform();
  if (draw < 0.10) return between(rng, 0, 9);
  if (draw < 0.90) return between(rng, 10, 99);
  return between(rng, 100, 999);
}

std::string sum_prompt(Rng& rng, int64_t a, char sign, int64_t b) {
  static constexpr const char* kPrompts[] = {"{} {} {}", "What is {} {} {}?", "{} {} {} = ?",
                                             "{}{}{}=",  "计算 {} {} {}",     "{} {} {} 等于多少?"};
  return fmt::format(fmt::runtime(pick(rng, kPrompts)), a, sign, b);
}

/// Columns from the right: "7+8=15, 4+3+1=8".
std::string add_columns(int64_t a, int64_t b) {
  std::string steps;
  int64_t carry = 0;
  for (bool first = true; first || a > 0 || b > 0; first = false, a /= 10, b /= 10) {
    const int64_t sum = a % 10 + b % 10 + carry;
    if (!first) steps += ", ";
    steps += fmt::format("{}+{}", a % 10, b % 10);
    if (carry) steps += "+1";
    steps += fmt::format("={}", sum);
    carry = sum / 10;
  }
  return steps;
}

/// For a >= b: "13-7=6, 8-1-4=3", a borrowed ten before the digit, a lent one taken off first.
std::string subtract_columns(int64_t a, int64_t b) {
  std::string steps;
  int64_t lent = 0;
  for (bool first = true; first || a > 0; first = false, a /= 10, b /= 10) {
    const int64_t top = a % 10, bottom = b % 10;
    const bool borrow = top - lent < bottom;
    if (!first) steps += ", ";
    steps += fmt::format("{}{}-{}={}", top + (borrow ? 10 : 0), lent ? "-1" : "", bottom,
                         top + (borrow ? 10 : 0) - lent - bottom);
    lent = borrow;
  }
  return steps;
}

Lesson sum_lesson(Rng& rng, const char* task, int64_t a, char sign, int64_t b, int64_t result,
                  const std::string& steps) {
  Lesson lesson;
  lesson.task = task;
  lesson.key = fmt::format("{} {} {}", task, a, b);
  lesson.messages = user_says(sum_prompt(rng, a, sign, b));
  lesson.reply = fmt::format("{}, so {}", steps, result);
  lesson.answer = std::to_string(result);
  lesson.check = Check::kNumber;
  return lesson;
}

}  // namespace

Lesson add_lesson(Rng& rng) {
  const int64_t a = operand(rng), b = operand(rng);
  return sum_lesson(rng, "add", a, '+', b, a + b, add_columns(a, b));
}

Lesson subtract_lesson(Rng& rng) {
  int64_t a = operand(rng), b = operand(rng);
  // A negative result only now and then: it is the other difference with a sign.
  if (a < b && chance(rng, 0.7)) std::swap(a, b);
  const std::string steps =
      a >= b ? subtract_columns(a, b) : fmt::format("{}-{}: {}", b, a, subtract_columns(b, a));
  return sum_lesson(rng, "subtract", a, '-', b, a - b, steps);
}

Lesson compare_lesson(Rng& rng) {
  int64_t a = operand(rng), b = operand(rng);
  if (chance(rng, 0.3)) b = a / 10 * 10 + between(rng, 0, 9);  // only the last digits differ
  if (a == b) b = a + 1;
  const int64_t larger = std::max(a, b), smaller = std::min(a, b);
  Lesson lesson;
  lesson.task = "compare";
  lesson.key = fmt::format("compare {} {}", a, b);
  std::string prompt;
  switch (rng.below(5)) {
    case 0:
      prompt = fmt::format("Which is larger, {} or {}?", a, b);
      lesson.reply = std::to_string(larger);
      break;
    case 1:
      prompt = fmt::format("Which is smaller, {} or {}?", a, b);
      lesson.reply = std::to_string(smaller);
      break;
    case 2:
      prompt = fmt::format("{} 和 {} 哪个大?", a, b);
      lesson.reply = std::to_string(larger);
      break;
    case 3:
      prompt = fmt::format("{} 和 {} 哪个小?", a, b);
      lesson.reply = std::to_string(smaller);
      break;
    default:
      prompt = fmt::format("Is {} greater than {}?", a, b);
      lesson.reply = a > b ? "Yes." : "No.";
  }
  lesson.messages = user_says(prompt);
  lesson.answer = lesson.reply;
  return lesson;
}

}  // namespace fathom::train
