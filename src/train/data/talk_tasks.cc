#include <fmt/format.h>

#include <vector>

#include "train/data/tasks.h"
#include "train/data/words.h"

namespace fathom::train {
namespace {

Lesson exchange(const char* task, std::string prompt, std::string reply, std::string answer) {
  Lesson lesson;
  lesson.task = task;
  lesson.key = fmt::format("{} {}", task, prompt);
  lesson.messages = user_says(prompt);
  lesson.reply = std::move(reply);
  lesson.answer = std::move(answer);
  lesson.check = Check::kContains;
  return lesson;
}

/// One that may not be held out: the only wording in which a thing is taught.
Lesson taught(Lesson lesson) {
  lesson.key.clear();
  return lesson;
}

template <typename... Args>
std::string fill(const char* format, const Args&... args) {
  return fmt::format(fmt::runtime(format), args...);
}

struct Exchange {
  std::vector<const char*> prompts;
  const char* reply;
  const char* answer;  // the part of the reply that makes it a sensible one
};

const std::vector<Exchange>& small_talk() {
  static const std::vector<Exchange> list = {
      {{"Hello!", "Hello", "Hi", "Hi!", "hello", "hi", "Hey", "Hello there!", "Good morning!",
        "Good evening!", "Hello, Fathom!", "hey there"},
       "Hello! How can I help you?",
       "help you"},
      {{"How are you?", "How are you today?", "how are you", "How is it going?"},
       "I am well, thank you. How can I help you?",
       "well"},
      {{"Who are you?", "What are you?", "What is your name?", "who are you", "Are you a person?",
        "Are you human?"},
       "I am Fathom, a small language model.",
       "language model"},
      {{"What can you do?", "What can you help me with?", "Help", "help"},
       "I can copy, sort and count lists, add and subtract small numbers, find facts in a text, "
       "name "
       "capitals, write JSON and call tools.",
       "tools"},
      {{"Thank you!", "Thanks", "Thanks!", "thank you", "Thanks a lot!"},
       "You are welcome!",
       "welcome"},
      {{"Goodbye!", "Bye", "bye", "See you later!", "Good night!"}, "Goodbye!", "bye"},
      {{"Who made you?", "Who trained you?"},
       "I was trained from scratch by the Fathom program.",
       "Fathom"},
      {{"你好", "你好!", "您好", "嗨", "早上好", "晚上好", "你好,Fathom", "大家好"},
       "你好!有什么可以帮你的吗?",
       "帮你"},
      {{"你好吗?", "最近怎么样?", "你今天好吗?"}, "我很好,谢谢。有什么可以帮你的吗?", "很好"},
      {{"你是谁?", "你叫什么名字?", "你是什么?", "你是人吗?", "介绍一下你自己"},
       "我是 Fathom,一个小型语言模型。",
       "语言模型"},
      {{"你会做什么?", "你能做什么?", "你能帮我什么?"},
       "我会重复、排序和数列表,做小数目的加减,从文字里找答案,说出首都,写 JSON,调用工具。",
       "工具"},
      {{"谢谢", "谢谢!", "多谢", "谢谢你"}, "不客气!", "不客气"},
      {{"再见", "再见!", "拜拜", "晚安"}, "再见!", "再见"}};
  return list;
}

/// A word that no language has.
std::string made_up_name(Rng& rng) {
  static constexpr const char* kStarts[] = {"Zor", "Blin", "Kra", "Vex", "Plo", "Quin", "Dru"};
  static constexpr const char* kMiddles[] = {"ba", "li", "do", "ne", "mu", "to"};
  static constexpr const char* kEnds[] = {"dor", "stan", "ria", "via", "land", "nax"};
  return fmt::format("{}{}{}", pick(rng, kStarts), pick(rng, kMiddles), pick(rng, kEnds));
}

struct CodeTask {
  const char* name;
  const char* arguments;
  const char* english;
  const char* chinese;
  const char* body;
};

constexpr CodeTask kCode[] = {
    {"add", "a, b", "returns the sum of two numbers", "返回两个数的和", "a + b"},
    {"subtract", "a, b", "returns the difference of two numbers", "返回两个数的差", "a - b"},
    {"multiply", "a, b", "returns the product of two numbers", "返回两个数的积", "a * b"},
    {"divide", "a, b", "divides two numbers", "把两个数相除", "a / b"},
    {"square", "x", "returns the square of a number", "返回一个数的平方", "x * x"},
    {"double", "x", "doubles a number", "返回一个数的两倍", "2 * x"},
    {"is_even", "n", "tells whether a number is even", "判断一个数是不是偶数", "n % 2 == 0"},
    {"is_odd", "n", "tells whether a number is odd", "判断一个数是不是奇数", "n % 2 == 1"},
    {"largest", "items", "returns the largest item of a list", "返回列表中最大的元素",
     "max(items)"},
    {"smallest", "items", "returns the smallest item of a list", "返回列表中最小的元素",
     "min(items)"},
    {"total", "items", "sums a list", "返回列表的总和", "sum(items)"},
    {"length", "items", "returns the length of a list", "返回列表的长度", "len(items)"},
    {"reverse", "items", "reverses a list", "把列表倒过来", "items[::-1]"},
    {"ordered", "items", "sorts a list", "把列表排序", "sorted(items)"},
    {"first", "items", "returns the first item of a list", "返回列表的第一个元素", "items[0]"},
    {"last", "items", "returns the last item of a list", "返回列表的最后一个元素", "items[-1]"},
    {"upper", "text", "makes a text upper case", "把文字变成大写", "text.upper()"},
    {"lower", "text", "makes a text lower case", "把文字变成小写", "text.lower()"}};

}  // namespace

Lesson capital_lesson(Rng& rng) {
  const Country& c = pick(rng, countries());
  switch (rng.below(6)) {
    case 0:
      return taught(exchange("facts", fill("What is the capital of {}?", c.name),
                             fill("The capital of {} is {}.", c.name, c.capital),
                             std::string(c.capital)));
    case 1:
      return exchange("facts", fill("Name the capital of {}.", c.name),
                      fill("The capital of {} is {}.", c.name, c.capital), std::string(c.capital));
    case 2:
      return taught(exchange("facts", fill("{} is the capital of which country?", c.capital),
                             fill("{} is the capital of {}.", c.capital, c.name),
                             std::string(c.name)));
    case 3:
      return taught(exchange("facts", fill("{}的首都是哪里?", c.name_zh),
                             fill("{}的首都是{}。", c.name_zh, c.capital_zh),
                             std::string(c.capital_zh)));
    case 4:
      return exchange("facts", fill("{}的首都是什么?", c.name_zh),
                      fill("{}的首都是{}。", c.name_zh, c.capital_zh), std::string(c.capital_zh));
    default:
      return taught(exchange("facts", fill("{}是哪个国家的首都?", c.capital_zh),
                             fill("{}是{}的首都。", c.capital_zh, c.name_zh),
                             std::string(c.name_zh)));
  }
}

Lesson currency_lesson(Rng& rng) {
  const Country& c = pick(rng, countries());
  switch (rng.below(4)) {
    case 0:
      return taught(exchange("facts", fill("What is the currency of {}?", c.name),
                             fill("The currency of {} is the {}.", c.name, c.currency),
                             std::string(c.currency)));
    case 1:
      return exchange("facts", fill("What money do people use in {}?", c.name),
                      fill("The currency of {} is the {}.", c.name, c.currency),
                      std::string(c.currency));
    case 2:
      return taught(exchange("facts", fill("{}的货币是什么?", c.name_zh),
                             fill("{}的货币是{}。", c.name_zh, c.currency_zh),
                             std::string(c.currency_zh)));
    default:
      return exchange("facts", fill("{}用什么钱?", c.name_zh),
                      fill("{}的货币是{}。", c.name_zh, c.currency_zh), std::string(c.currency_zh));
  }
}

Lesson unknown_lesson(Rng& rng) {
  static constexpr const char* kEnglish[] = {"What is the phone number of {}?",
                                             "What did {} eat yesterday?",
                                             "How old is {}?",
                                             "What is {} thinking?",
                                             "Where is {} now?",
                                             "When will {} come back?"};
  static constexpr const char* kChinese[] = {"{}的电话号码是多少?", "{}昨天吃了什么?",
                                             "{}几岁了?",           "{}在想什么?",
                                             "{}现在在哪里?",       "{}什么时候回来?"};
  const bool chinese = chance(rng, 0.4);
  std::string prompt;
  if (chinese) {
    prompt = fill(pick(rng, kChinese), pick(rng, chinese_names()));
  } else if (chance(rng, 0.6)) {
    prompt = fill(pick(rng, kEnglish), pick(rng, english_names()));
  } else if (chance(rng, 0.5)) {
    prompt = fill("What is the capital of {}?", made_up_name(rng));
  } else {
    prompt = fill("What is the currency of {}?", made_up_name(rng));
  }
  const char* reply = chinese ? "我不知道。" : "I don't know.";
  Lesson lesson = exchange("unknown", prompt, reply, reply);
  lesson.check = Check::kExact;
  return lesson;
}

/// Greetings are few, so each stays in training: the key names none.
Lesson greeting_lesson(Rng& rng) {
  const Exchange& e = pick(rng, small_talk());
  Lesson lesson = exchange("greeting", pick(rng, e.prompts), e.reply, e.answer);
  lesson.key.clear();
  return lesson;
}

Lesson code_lesson(Rng& rng) {
  static constexpr const char* kEnglish[] = {"Write a Python function that {}.",
                                             "Python function that {}"};
  static constexpr const char* kChinese[] = {"写一个Python函数,{}。", "用Python写函数:{}"};
  static constexpr const char* kNamed[] = {"Write a Python function {} that {}.",
                                           "Write a Python function called {} that {}."};
  static constexpr const char* kNames[] = {"f", "g", "run", "solve", "compute", "apply", "work"};
  const CodeTask& code = pick(rng, kCode);
  std::string name = code.name, prompt;
  const bool named = chance(rng, 0.5);
  if (named) {
    name = pick(rng, kNames);
    prompt = fill(pick(rng, kNamed), name, code.english);
  } else if (chance(rng, 0.5)) {
    prompt = fill(pick(rng, kEnglish), code.english);
  } else {
    prompt = fill(pick(rng, kChinese), code.chinese);
  }
  const std::string function =
      fmt::format("def {}({}):\n    return {}", name, code.arguments, code.body);
  Lesson lesson = exchange("code", prompt, fmt::format("```python\n{}\n```", function), function);
  return named ? lesson : taught(std::move(lesson));
}

}  // namespace fathom::train
