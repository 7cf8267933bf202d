#include "train/data/generator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <regex>
#include <set>
#include <sstream>

#include "base/error.h"
#include "train/data/tasks.h"

namespace fathom::train {
namespace {

std::string question(const Lesson& lesson) {
  return lesson.messages.back()["content"].get<std::string>();
}

/// What follows the last colon or question mark, cut at spaces: a list as the user gave it.
std::vector<std::string> listed(const std::string& text) {
  std::istringstream words(text.substr(text.find_last_of(":?") + 1));
  std::vector<std::string> list;
  for (std::string word; words >> word;) list.push_back(word);
  return list;
}

std::vector<int64_t> numbers(const std::string& text) {
  std::vector<int64_t> found;
  static const std::regex digits("[0-9]+");
  for (std::sregex_iterator it(text.begin(), text.end(), digits), end; it != end; ++it) {
    found.push_back(std::stoll(it->str()));
  }
  return found;
}

std::string joined(const std::vector<std::string>& list) {
  std::string text;
  for (const std::string& word : list) text += (text.empty() ? "" : " ") + word;
  return text;
}

TEST(Generator, ListAnswersAreRight) {
  Rng rng(1);
  for (int i = 0; i < 500; ++i) {
    const Lesson copy = copy_lesson(rng);
    EXPECT_EQ(copy.reply, joined(listed(question(copy))));
    const Lesson numbers = numbers_lesson(rng);
    EXPECT_EQ(numbers.reply, joined(listed(question(numbers))));
    const Lesson reverse = reverse_lesson(rng);
    std::vector<std::string> list = listed(question(reverse));
    std::reverse(list.begin(), list.end());
    EXPECT_EQ(reverse.reply, joined(list));
    const Lesson sort = sort_lesson(rng);
    list = listed(question(sort));
    std::sort(list.begin(), list.end(), [](const std::string& a, const std::string& b) {
      return a.size() != b.size() ? a.size() < b.size() : a < b;
    });
    EXPECT_EQ(sort.reply, joined(list));
  }
}

TEST(Generator, ListsOfNumbersAreDistinctAndRepeatTheirDigits) {
  Generator generator(9);
  int few_digits = 0;
  for (int i = 0; i < 300; ++i) {
    const Lesson lesson = generator.next("numbers", false);
    const std::vector<int64_t> list = numbers(lesson.reply);
    const std::set<int64_t> distinct(list.begin(), list.end());
    EXPECT_EQ(distinct.size(), list.size());
    EXPECT_GE(*distinct.begin(), 10);
    EXPECT_LE(*distinct.rbegin(), 99);
    std::set<int64_t> tens;
    for (const int64_t number : list) tens.insert(number / 10);
    few_digits += list.size() > 5 && tens.size() <= 3;
    EXPECT_FALSE(held_out(lesson.key));  // as a copy
    EXPECT_EQ(lesson.key.rfind("copy ", 0), 0u);
  }
  EXPECT_GT(few_digits, 60);
}

TEST(Generator, CountsAreRight) {
  Rng rng(2);
  for (int i = 0; i < 500; ++i) {
    const Lesson lesson = count_lesson(rng);
    EXPECT_EQ(lesson.answer, std::to_string(listed(question(lesson)).size())) << question(lesson);
    EXPECT_TRUE(lesson.reply.ends_with(": " + lesson.answer)) << lesson.reply;
  }
}

TEST(Generator, SumsAndTheirColumnsAreRight) {
  Rng rng(3);
  static const std::regex column("([0-9]+)([+-])([0-9]+)(?:([+-])([0-9]+))?=([0-9]+)");
  for (int i = 0; i < 1000; ++i) {
    for (const bool adding : {true, false}) {
      const Lesson lesson = adding ? add_lesson(rng) : subtract_lesson(rng);
      const std::vector<int64_t> operands = numbers(question(lesson));
      ASSERT_EQ(operands.size(), 2u) << question(lesson);
      const int64_t result = adding ? operands[0] + operands[1] : operands[0] - operands[1];
      EXPECT_EQ(lesson.answer, std::to_string(result)) << question(lesson);
      EXPECT_TRUE(lesson.reply.ends_with("so " + lesson.answer)) << lesson.reply;
      int columns = 0;
      for (std::sregex_iterator it(lesson.reply.begin(), lesson.reply.end(), column), end;
           it != end; ++it, ++columns) {
        const std::smatch& m = *it;
        int64_t value = std::stoll(m[1]);
        value += (m[2] == "+" ? 1 : -1) * std::stoll(m[3]);
        if (m[5].matched) value += (m[4] == "+" ? 1 : -1) * std::stoll(m[5]);
        EXPECT_EQ(value, std::stoll(m[6])) << lesson.reply;
      }
      EXPECT_GE(columns, 1);
    }
  }
}

TEST(Generator, ComparisonsAreRight) {
  Rng rng(4);
  for (int i = 0; i < 500; ++i) {
    const Lesson lesson = compare_lesson(rng);
    const std::string text = question(lesson);
    const std::vector<int64_t> n = numbers(text);
    if (text.starts_with("Is ")) {
      EXPECT_EQ(lesson.answer, n[0] > n[1] ? "Yes." : "No.");
    } else {
      const bool larger =
          text.find("larger") != std::string::npos || text.find("哪个大") != std::string::npos;
      EXPECT_EQ(lesson.answer,
                std::to_string(larger ? std::max(n[0], n[1]) : std::min(n[0], n[1])));
    }
  }
}

/// The name that a question or a fact is about, wherever it stands.
bool speaks_of(const std::string& line, const std::string& question, std::string& name) {
  static const std::regex forms("The code of (.*) is |^(.*) lives in |^(.*)的密码是 ");
  std::smatch match;
  if (!std::regex_search(line, match, forms)) return false;
  name = match[1].str() + match[2].str() + match[3].str();
  return question.find(name + "?") != std::string::npos ||
         question.find(name + " live") != std::string::npos || question.find(name + "的") == 0;
}

TEST(Generator, RetrievalAnswersStandInTheContext) {
  Rng rng(5);
  int unknown = 0;
  for (int i = 0; i < 300; ++i) {
    const Lesson lesson = retrieval_lesson(rng, between(rng, 20, 900), between(rng, 1, 6), 0.25);
    std::istringstream context(lesson.messages[0]["content"].get<std::string>());
    std::vector<std::string> lines;
    for (std::string line; std::getline(context, line);) lines.push_back(line);
    if (lesson.messages.size() == 1) lines.pop_back();  // the question itself
    std::string asked = question(lesson);
    asked = asked.substr(asked.find_last_of('\n') + 1);
    int places = 0;
    for (const std::string& line : lines) {
      std::string name;
      if (speaks_of(line, asked, name)) {
        ++places;
        EXPECT_EQ(lesson.reply, line);
        EXPECT_NE(line.find(lesson.answer), std::string::npos);
      }
    }
    EXPECT_LE(places, 1) << asked;
    if (places == 0) {
      ++unknown;
      EXPECT_TRUE(lesson.answer == "a place unknown" || lesson.answer == "unknown" ||
                  lesson.answer == "未知")
          << lesson.answer;
      EXPECT_NE(lesson.reply.find(lesson.answer), std::string::npos);
      std::string name;
      EXPECT_FALSE(speaks_of(lesson.reply, asked, name)) << "like a fact: " << lesson.reply;
    }
  }
  EXPECT_GT(unknown, 5);
  EXPECT_LT(unknown, 150);
}

TEST(Generator, ContextsAreAskedForWhatTheySayAndWhatTheyDoNot) {
  Generator generator(11);
  int lessons = 0, both = 0;
  double replies = 0, unsaid = 0;
  for (; lessons < 400; ++lessons) {
    const Lesson lesson = generator.next("retrieval", false);
    const std::string context = lesson.messages[0]["content"];
    double said_here = 0, unsaid_here = 0;
    const auto see = [&](const std::string& reply) {
      const bool said = context.find(reply + "\n") != std::string::npos;
      (said ? said_here : unsaid_here) += 1;
    };
    for (const Json& message : lesson.messages) {
      if (message["role"] == "assistant") see(message["content"]);
    }
    see(lesson.reply);
    both += said_here > 0 && unsaid_here > 0;
    unsaid += unsaid_here;
    replies += said_here + unsaid_here;
  }
  EXPECT_GT(both, lessons / 2);
  EXPECT_NEAR(unsaid / replies, 0.4, 0.1);
}

TEST(Generator, JsonAndCallsAreValid) {
  Rng rng(6);
  for (int i = 0; i < 200; ++i) {
    const Lesson json = json_lesson(rng);
    EXPECT_EQ(Json::parse(json.reply), Json::parse(json.answer));
    const std::string text = question(json);
    const Json object = Json::parse(json.reply);
    for (const auto& [key, value] : object.items()) {
      const std::string said = value.is_string() ? value.get<std::string>() : value.dump();
      EXPECT_NE(text.find(key + " " + said), std::string::npos);
    }
    const Lesson call = tool_call_lesson(rng);
    const Json answer = Json::parse(call.answer);
    EXPECT_NE(call.reply.find(answer["name"].get<std::string>()), std::string::npos);
    EXPECT_NE(call.reply.find(answer["arguments"].dump()), std::string::npos);
    const auto offered = [&](const Json& tool) {
      return tool["function"]["name"] == answer["name"];
    };
    EXPECT_EQ(std::count_if(call.tools.begin(), call.tools.end(), offered), 1);
    const Lesson result = tool_result_lesson(rng);
    ASSERT_EQ(result.messages.size(), 3u);
    const Json& made = result.messages[1]["tool_calls"][0];
    EXPECT_TRUE(Json::accept(made["function"]["arguments"].get<std::string>()));
    EXPECT_EQ(result.messages[2]["tool_call_id"], made["id"]);
  }
}

TEST(Generator, SameSeedSameLessons) {
  Generator a(7), b(7), c(8);
  bool differs = false;
  for (int i = 0; i < 100; ++i) {
    const Lesson x = a.next(false), y = b.next(false), z = c.next(false);
    EXPECT_EQ(x.messages, y.messages);
    EXPECT_EQ(x.reply, y.reply);
    differs |= x.messages != z.messages;
  }
  EXPECT_TRUE(differs);
}

TEST(Generator, HeldOutKeysNeverTrain) {
  Generator generator(9);
  std::set<std::string> trained, asked;
  for (int i = 0; i < 4000; ++i) {
    const Lesson lesson = generator.next(false);
    EXPECT_TRUE(lesson.key.empty() || !held_out(lesson.key));
    trained.insert(lesson.key);
  }
  for (const char* task : capability_tasks()) {
    for (int i = 0; i < 20; ++i) {
      const Lesson lesson = generator.next(task, true);
      EXPECT_EQ(lesson.task, task);
      if (lesson.key.empty()) continue;  // greetings
      EXPECT_TRUE(held_out(lesson.key));
      EXPECT_FALSE(trained.contains(lesson.key)) << lesson.key;
    }
  }
}

TEST(Generator, EveryTaskHasItsShare) {
  Generator generator(10);
  std::map<std::string, double> size;
  double total = 0, shares = 0;
  for (int i = 0; i < 6000; ++i) {
    const Lesson lesson = generator.next(false);
    const auto n = static_cast<double>(lesson.messages.dump().size() + lesson.reply.size());
    size[lesson.task] += n;
    total += n;
  }
  for (const Task& task : training_tasks()) shares += task.share;
  for (const Task& task : training_tasks()) {
    EXPECT_NEAR(size[task.name] / total, task.share / shares, 0.02) << task.name;
  }
}

TEST(Generator, RefusesATaskThatIsNotThere) {
  EXPECT_THROW(Generator(1).next("poetry", false), Error);
}

}  // namespace
}  // namespace fathom::train
