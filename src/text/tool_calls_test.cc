#include "text/tool_calls.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "text/utf8.h"

namespace fathom::text {
namespace {

struct Parsed {
  std::string content;
  std::vector<std::string> names;
  std::vector<std::string> arguments;
  bool operator==(const Parsed&) const = default;
};

void add(Parsed& all, const ToolCallPiece& piece) {
  all.content += piece.content;
  for (const ToolCallDelta& delta : piece.calls) {
    if (static_cast<size_t>(delta.index) == all.names.size()) {
      EXPECT_FALSE(delta.name.empty());
      all.names.push_back(delta.name);
      all.arguments.emplace_back();
    } else {
      EXPECT_EQ(static_cast<size_t>(delta.index) + 1, all.names.size());
      EXPECT_TRUE(delta.name.empty());
    }
    all.arguments.back() += delta.arguments;
  }
}

// Parses in pieces of `size` bytes; every size must give the same.
Parsed parse_by(const std::string& text, size_t size) {
  ToolCallParser parser;
  Parsed all;
  for (size_t i = 0; i < text.size(); i += size) add(all, parser.push(text.substr(i, size)));
  add(all, parser.finish());
  EXPECT_EQ(static_cast<size_t>(parser.calls()), all.names.size());
  return all;
}

Parsed parse(const std::string& text) {
  const Parsed whole = parse_by(text, text.size() + 1);
  for (const size_t size : {1, 2, 3, 7, 16})
    EXPECT_EQ(parse_by(text, size), whole) << size << ": " << text;
  return whole;
}

std::string call(const std::string& name, const std::string& arguments) {
  return "<｜tool▁call▁begin｜>function<｜tool▁sep｜>" + name + "\n```json\n" + arguments +
         "\n```<｜tool▁call▁end｜>";
}

const std::string kBegin = "<｜tool▁calls▁begin｜>";
const std::string kEnd = "<｜tool▁calls▁end｜>";

TEST(ToolCalls, OneCallAfterContent) {
  const Parsed got =
      parse("Let me look.\n" + kBegin + call("weather", "{\"city\": \"北京\"}") + kEnd);
  EXPECT_EQ(got, (Parsed{"Let me look.\n", {"weather"}, {"{\"city\": \"北京\"}"}}));
}

TEST(ToolCalls, SeveralCallsOnLinesOfTheirOwn) {
  const Parsed got = parse(kBegin + call("a", "{}") + "\n" + call("b", "{\n  \"x\": [1, 2]\n}") +
                           call("c", "{\"y\":{}}") + kEnd);
  EXPECT_EQ(got, (Parsed{"", {"a", "b", "c"}, {"{}", "{\n  \"x\": [1, 2]\n}", "{\"y\":{}}"}}));
}

TEST(ToolCalls, ArgumentsMayHoldBackticksAndTagsInPart) {
  const std::string arguments = "{\"code\": \"```<｜tool▁ca``` ```js <｜tool\"}";
  EXPECT_EQ(parse(kBegin + call("run", arguments) + kEnd), (Parsed{"", {"run"}, {arguments}}));
}

TEST(ToolCalls, EndTagsMayBeMissing) {
  const Parsed want{"", {"f"}, {"{\"a\":1}"}};
  std::string text = kBegin + call("f", "{\"a\":1}");
  EXPECT_EQ(parse(text), want);
  EXPECT_EQ(parse(text + "\n"), want);
  text.resize(text.rfind("<｜tool▁call▁end｜>"));
  EXPECT_EQ(parse(text), want);
  EXPECT_EQ(parse(text + "<｜tool▁call"), want);
  EXPECT_EQ(parse(text + kEnd), want);
  EXPECT_EQ(parse(text.substr(0, text.size() - 2)), want);
}

TEST(ToolCalls, FenceMayBeMissing) {
  EXPECT_EQ(
      parse(kBegin + "<｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n{\"a\":1}<｜tool▁call▁end｜>" +
            kEnd),
      (Parsed{"", {"f"}, {"{\"a\":1}"}}));
}

TEST(ToolCalls, CutOffArgumentsAreWhatTheModelWrote) {
  const std::string text =
      kBegin + "<｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{\"a\": \"unfin";
  EXPECT_EQ(parse(text), (Parsed{"", {"f"}, {"{\"a\": \"unfin"}}));
}

TEST(ToolCalls, MalformedTextIsContent) {
  for (const std::string& text : std::vector<std::string>{
           "", "no calls at all <｜tool", kBegin, kBegin + kEnd, kBegin + " hello " + kEnd,
           kBegin + "<｜tool▁call▁begin｜>",
           kBegin + "<｜tool▁call▁begin｜>gadget<｜tool▁sep｜>f\n{}",
           kBegin + "<｜tool▁call▁begin｜>function<｜tool▁sep｜>",
           kBegin + "<｜tool▁call▁begin｜>function f\n{}",
           kBegin +
               "<｜tool▁call▁begin｜>function<｜tool▁sep｜>\n```json\n{}\n```<｜tool▁call▁end｜>",
           kBegin + "<｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\nnot json",
           kBegin + "<｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```python\n{}\n```",
           kBegin + "<｜tool▁call▁begin｜>function<｜tool▁sep｜>" + std::string(3000, 'n') + "\n{}",
           kBegin + kBegin, call("f", "{}"), kEnd + "after"}) {
    EXPECT_EQ(parse(text), (Parsed{text, {}, {}}));
  }
}

TEST(ToolCalls, ContentGoesOnAfterCalls) {
  EXPECT_EQ(parse(kBegin + call("f", "{}") + kEnd + "done"), (Parsed{"done", {"f"}, {"{}"}}));
  EXPECT_EQ(parse(kBegin + call("f", "{}") + "oops" + kEnd),
            (Parsed{"oops" + kEnd, {"f"}, {"{}"}}));
  EXPECT_EQ(parse(kBegin + "?" + kBegin + call("f", "{}") + kEnd),
            (Parsed{kBegin + "?", {"f"}, {"{}"}}));
  EXPECT_EQ(parse(kBegin + call("f", "{}") + kEnd + "\n" + kBegin + call("g", "{}") + kEnd),
            (Parsed{"\n", {"f", "g"}, {"{}", "{}"}}));
}

TEST(ToolCalls, ArgumentsStreamAsTheyCome) {
  ToolCallParser parser;
  Parsed all;
  add(all, parser.push(kBegin + "<｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{\"a\": "));
  EXPECT_EQ(all.names, std::vector<std::string>{"f"});
  add(all, parser.push("12"));
  EXPECT_EQ(all.arguments.back(), "{\"a\": 12");
}

TEST(ToolsPrompt, ShowsEachFunction) {
  const auto tools = nlohmann::ordered_json::parse(
      R"([{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{}}}},
          {"type":"function","function":{"name":"g","description":"天气"}}])");
  const std::string prompt = render_tools_prompt(tools);
  EXPECT_NE(prompt.find(R"({"name": "f", "parameters": {"type": "object", "properties": {}}})"),
            std::string::npos);
  EXPECT_NE(prompt.find(R"({"name": "g", "description": "天气"})"), std::string::npos);
  EXPECT_NE(prompt.find("<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>"),
            std::string::npos);
  EXPECT_EQ(render_tools_prompt(nlohmann::ordered_json::array()), "");
  EXPECT_THROW(render_tools_prompt(nlohmann::ordered_json::parse(R"([{"type":"function"}])")),
               Error);
  EXPECT_THROW(render_tools_prompt(nlohmann::ordered_json::parse(
                   R"([{"type":"retrieval","function":{"name":"f"}}])")),
               Error);
}

}  // namespace
}  // namespace fathom::text
