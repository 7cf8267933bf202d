#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "train/data/tasks.h"
#include "train/data/words.h"

namespace fathom::train {
namespace {

/// A kind of statement about a name, and the question about it. `{0}` is the name, `{1}` the value.
/// The reply says the fact again: what stood before the value once leads to it once more. What was
/// not said is answered with other words from the token after the name on (in Chinese, names have
/// tokens that hold all of "X的密码是"): whether that token stood in the context, with what goes on
/// after it, is the first thing that a reader can look up.
struct Form {
  const char* fact;
  const char* question;
  const char* unsaid;
  const char* unknown;  // the value in `unsaid`
  bool chinese;
  bool code;           // the value is a secret word or number, else a city
  int64_t tokens = 0;  // that a fact takes, about
};

constexpr Form kForms[] = {
    {"The code of {0} is {1}.", "What is the code of {0}?", "The code of {0}: {1}.", "unknown",
     false, true, 8},
    {"{0} lives in {1}.", "Where does {0} live?", "{0}: {1}.", "a place unknown", false, false, 6},
    {"{0}的密码是 {1}。", "{0}的密码是多少?", "{0}的密码是{1}。", "未知", true, true, 8}};

std::string filler(Rng& rng) {
  static constexpr const char* kVerbs[] = {"is near", "is behind", "stands by", "is older than"};
  return fmt::format("The {} {} {} the {}.", pick(rng, colors()), pick(rng, english_words()),
                     pick(rng, kVerbs), pick(rng, english_words()));
}
constexpr int64_t kFillerTokens = 9;

/// Codes are numbers of four digits where one stands alone; among many codes they are words, which
/// a reader of few layers tells apart by what stands just before them.
std::string value_of(Rng& rng, const Form& form, bool alone) {
  if (form.code && alone) return fmt::format("{:04}", rng.below(10000));
  if (form.code) {
    return std::string(form.chinese ? pick(rng, chinese_words()) : pick(rng, english_words()));
  }
  std::string_view city;
  do city = pick(rng, countries()).capital;
  while (city.find(' ') != std::string_view::npos);
  return std::string(city);
}

template <typename T>
void shuffle(Rng& rng, std::vector<T>& list) {
  for (size_t i = list.size(); i > 1; --i) std::swap(list[i - 1], list[rng.below(i)]);
}

Json turn(const char* role, const std::string& content) {
  return {{"role", role}, {"content", content}};
}

}  // namespace

Lesson retrieval_lesson(Rng& rng, int64_t tokens, int64_t questions, double unsaid) {
  const Form& form = pick(rng, kForms);
  const auto source = form.chinese ? chinese_names() : english_names();
  std::vector<std::string_view> names(source.begin(), source.end());
  shuffle(rng, names);
  // From one value among much else to nothing but values; names for half of the questions stay
  // unsaid.
  const int64_t most = std::min<int64_t>(tokens / form.tokens,
                                         static_cast<int64_t>(names.size()) - (questions + 1) / 2);
  const int64_t facts =
      chance(rng, 0.4) ? std::max<int64_t>(1, most) : between(rng, 1, std::max<int64_t>(1, most));
  std::vector<std::string> values, lines;
  for (int64_t i = 0; i < facts; ++i) {
    values.push_back(value_of(rng, form, facts == 1));
    lines.push_back(fmt::format(fmt::runtime(form.fact), names[i], values.back()));
  }
  for (int64_t left = tokens - facts * form.tokens; left >= kFillerTokens; left -= kFillerTokens) {
    lines.push_back(filler(rng));
  }
  shuffle(rng, lines);

  Lesson lesson;
  lesson.task = "retrieval";
  lesson.messages = Json::array();
  const std::string context = fmt::format("{}\n", fmt::join(lines, "\n"));
  std::vector<int64_t> asked;  // also after names of which nothing was said
  const auto unsaid_names = static_cast<int64_t>(static_cast<double>(facts) * unsaid);
  const int64_t askable = std::min<int64_t>(facts + std::max<int64_t>(1, unsaid_names),
                                            static_cast<int64_t>(names.size()));
  for (int64_t i = 0; i < askable; ++i) asked.push_back(i);
  shuffle(rng, asked);
  questions = std::min<int64_t>(questions, static_cast<int64_t>(asked.size()));
  for (int64_t i = 0; i < questions; ++i) {
    const bool known = asked[i] < facts;
    const std::string_view name = names[asked[i]];
    if (i > 0) lesson.messages.push_back(turn("assistant", lesson.reply));
    lesson.messages.push_back(
        turn("user", (i == 0 ? context : "") + fmt::format(fmt::runtime(form.question), name)));
    lesson.answer = known ? values[asked[i]] : form.unknown;
    lesson.reply = fmt::format(fmt::runtime(known ? form.fact : form.unsaid), name, lesson.answer);
  }
  lesson.key = "retrieval " + context;
  lesson.check = Check::kContains;
  return lesson;
}

}  // namespace fathom::train
