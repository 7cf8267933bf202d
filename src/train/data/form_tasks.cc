#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "train/data/tasks.h"
#include "train/data/words.h"

namespace fathom::train {
namespace {

/// What a user asks of a function, and what comes of it.
struct Call {
  std::string prompt;
  Json arguments;
  Json result;
  std::string reply;  // to the result
};

Json parameter(const char* type, const char* description) {
  return {{"type", type}, {"description", description}};
}

Json function(const char* name, const char* description, const Json& properties) {
  Json required = Json::array();
  for (const auto& [key, value] : properties.items()) required.push_back(key);
  return {
      {"type", "function"},
      {"function",
       {{"name", name},
        {"description", description},
        {"parameters", {{"type", "object"}, {"properties", properties}, {"required", required}}}}}};
}

struct Tool {
  Json spec;
  Call (*call)(Rng&);
};

Call weather(Rng& rng) {
  static constexpr const char* kSkies[] = {"sunny", "cloudy", "rainy", "windy"};
  const Country& c = pick(rng, countries());
  const int64_t degrees = between(rng, 0, 35);
  const char* sky = pick(rng, kSkies);
  const Json result = {{"sky", sky}, {"temperature", degrees}};
  if (chance(rng, 0.3)) {
    return {fmt::format("{}天气怎么样?", c.capital_zh),
            {{"city", c.capital_zh}},
            result,
            fmt::format("{}现在 {} 度。", c.capital_zh, degrees)};
  }
  return {fmt::format("What is the weather in {}?", c.capital),
          {{"city", c.capital}},
          result,
          fmt::format("It is {} and {} degrees in {}.", sky, degrees, c.capital)};
}

Call time_in(Rng& rng) {
  const Country& c = pick(rng, countries());
  const std::string time = fmt::format("{:02}:{:02}", rng.below(24), rng.below(60));
  if (chance(rng, 0.3)) {
    return {fmt::format("{}现在几点?", c.capital_zh),
            {{"city", c.capital_zh}},
            {{"time", time}},
            fmt::format("{}现在是 {}。", c.capital_zh, time)};
  }
  return {fmt::format("What time is it in {}?", c.capital),
          {{"city", c.capital}},
          {{"time", time}},
          fmt::format("It is {} in {}.", time, c.capital)};
}

Call message(Rng& rng) {
  static constexpr const char* kTexts[] = {"see you soon", "the train is late", "dinner is ready",
                                           "call me",      "good luck",         "I am at home"};
  const std::string_view name = pick(rng, english_names());
  const char* text = pick(rng, kTexts);
  return {fmt::format("Send {} a message: {}", name, text),
          {{"to", name}, {"text", text}},
          {{"sent", true}},
          fmt::format("I sent the message to {}.", name)};
}

Call alarm(Rng& rng) {
  const int64_t hour = between(rng, 1, 23), minute = between(rng, 0, 59);
  const std::string time = fmt::format("{}:{:02}", hour, minute);
  return {fmt::format("Set an alarm for {}.", time),
          {{"hour", hour}, {"minute", minute}},
          {{"set", true}},
          fmt::format("The alarm is set for {}.", time)};
}

Call calculator(Rng& rng) {
  const int64_t a = between(rng, 2, 99), b = between(rng, 2, 99);
  return {fmt::format("Use the calculator: {} * {}", a, b),
          {{"expression", fmt::format("{} * {}", a, b)}},
          {{"value", a * b}},
          fmt::format("{} * {} = {}", a, b, a * b)};
}

Call search(Rng& rng) {
  const std::string query = fmt::format("{} {}", pick(rng, colors()), pick(rng, english_words()));
  const int64_t found = between(rng, 1, 99);
  return {fmt::format("Search for a {}.", query),
          {{"query", query}},
          {{"found", found}},
          fmt::format("I found {} results for {}.", found, query)};
}

const std::vector<Tool>& tools() {
  static const std::vector<Tool> list = {
      {function("get_weather", "Weather of a city",
                {{"city", parameter("string", "Name of the city")}}),
       weather},
      {function("get_time", "Local time in a city",
                {{"city", parameter("string", "Name of the city")}}),
       time_in},
      {function("send_message", "Send a message to a person",
                {{"to", parameter("string", "Name of the person")},
                 {"text", parameter("string", "The message")}}),
       message},
      {function("set_alarm", "Set an alarm clock",
                {{"hour", parameter("integer", "0 to 23")},
                 {"minute", parameter("integer", "0 to 59")}}),
       alarm},
      {function("calculate", "Evaluate an expression",
                {{"expression", parameter("string", "For example 2 * 3")}}),
       calculator},
      {function("search", "Search the shop", {{"query", parameter("string", "What to find")}}),
       search}};
  return list;
}

struct Scene {
  Lesson lesson;  // with tools and the user's turn
  Call call;
  std::string function;   // that is called
  std::string call_text;  // as the model writes it
};

Scene tool_scene(Rng& rng, const char* task) {
  const size_t asked = rng.below(tools().size());
  std::vector<size_t> offered = {asked};
  for (size_t i = 0; i < tools().size(); ++i) {
    if (i != asked && offered.size() < 3 && chance(rng, 0.25)) {
      offered.insert(offered.begin() + static_cast<int64_t>(rng.below(offered.size() + 1)), i);
    }
  }
  Scene scene;
  scene.call = tools()[asked].call(rng);
  scene.lesson.task = task;
  scene.lesson.tools = Json::array();
  for (const size_t i : offered) scene.lesson.tools.push_back(tools()[i].spec);
  scene.lesson.messages = user_says(scene.call.prompt);
  scene.lesson.key = fmt::format("tool {}", scene.call.prompt);
  scene.function = tools()[asked].spec["function"]["name"];
  scene.call_text = fmt::format(
      "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>{}\n```json\n{}\n"
      "```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
      scene.function, scene.call.arguments.dump());
  scene.lesson.answer = Json{{"name", scene.function}, {"arguments", scene.call.arguments}}.dump();
  return scene;
}

}  // namespace

Lesson json_lesson(Rng& rng) {
  static constexpr const char* kPrompts[] = {"Write as JSON: {}", "Give this as JSON: {}",
                                             "写成 JSON: {}"};
  static constexpr const char* kFields[] = {"name", "age", "city", "color", "item", "price"};
  std::vector<const char*> fields(std::begin(kFields), std::end(kFields));
  for (size_t i = fields.size(); i > 1; --i) std::swap(fields[i - 1], fields[rng.below(i)]);
  fields.resize(static_cast<size_t>(between(rng, 1, 4)));
  Json object = Json::object();
  std::vector<std::string> said, written;
  for (const std::string field : fields) {
    if (field == "name") object[field] = pick(rng, english_names());
    if (field == "age") object[field] = between(rng, 1, 99);
    if (field == "city") object[field] = pick(rng, countries()).capital;
    if (field == "color") object[field] = pick(rng, colors());
    if (field == "item") object[field] = pick(rng, english_words());
    if (field == "price") object[field] = between(rng, 1, 999);
    const Json& value = object[field];
    said.push_back(
        fmt::format("{} {}", field, value.is_string() ? value.get<std::string>() : value.dump()));
    written.push_back(fmt::format("\"{}\": {}", field, value.dump()));
  }
  Lesson lesson;
  lesson.task = "json";
  const std::string list = fmt::format("{}", fmt::join(said, ", "));
  lesson.key = "json " + list;
  lesson.messages = user_says(fmt::format(fmt::runtime(pick(rng, kPrompts)), list));
  lesson.reply = fmt::format("{{{}}}", fmt::join(written, ", "));
  lesson.answer = object.dump();
  lesson.check = Check::kJson;
  return lesson;
}

Lesson tool_call_lesson(Rng& rng) {
  Scene scene = tool_scene(rng, "tool_call");
  scene.lesson.reply = scene.call_text;
  scene.lesson.check = Check::kToolCall;
  return scene.lesson;
}

Lesson tool_result_lesson(Rng& rng) {
  Scene scene = tool_scene(rng, "tool_result");
  const Json function = {{"name", scene.function}, {"arguments", scene.call.arguments.dump()}};
  scene.lesson.messages.push_back(
      {{"role", "assistant"},
       {"content", nullptr},
       {"tool_calls",
        Json::array({{{"id", "call_0"}, {"type", "function"}, {"function", function}}})}});
  scene.lesson.messages.push_back(
      {{"role", "tool"}, {"tool_call_id", "call_0"}, {"content", scene.call.result.dump()}});
  scene.lesson.reply = scene.lesson.answer = scene.call.reply;
  scene.lesson.check = Check::kExact;
  return scene.lesson;
}

}  // namespace fathom::train
