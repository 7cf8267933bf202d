#include "train/data/bpe_trainer.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace fathom::train {
namespace {

constexpr const char* kText =
    "the cat and the dog and the bird\nthe cat 2024 the hat! 小猫和小狗,小猫。 naïve é\n";

std::shared_ptr<const text::Tokenizer> trained(int64_t vocab, int copies = 20) {
  BpeTrainer trainer(vocab);
  for (int i = 0; i < copies; ++i) trainer.add(kText);
  trainer.train();
  return text::Tokenizer::from_json(trainer.tokenizer_json(), trainer.tokenizer_config_json(512));
}

TEST(BpeTrainer, TextsComeBack) {
  const auto tokenizer = trained(400);
  for (const std::string& text :
       {std::string(kText), std::string("unseen words, 数字 12345 \t\r\n  \xF0\x9F\x98\x80")}) {
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
  }
}

TEST(BpeTrainer, FrequentWordsAreOneTokenAndDigitsStayAlone) {
  const auto tokenizer = trained(400);
  EXPECT_EQ(tokenizer->encode(" the").size(), 1u);
  EXPECT_EQ(tokenizer->encode("小猫").size(), 1u);
  EXPECT_EQ(tokenizer->encode("2024").size(), 4u);
}

TEST(BpeTrainer, SpecialTokensHaveDeepSeeksNames) {
  const auto tokenizer = trained(400);
  EXPECT_EQ(tokenizer->vocab_size(), 400);
  EXPECT_EQ(tokenizer->bos_id(), 0);
  EXPECT_EQ(tokenizer->eos_id(), 1);
  for (const char* token :
       {"<｜User｜>", "<｜Assistant｜>", "<｜fim▁hole｜>", "<｜fim▁begin｜>", "<｜fim▁end｜>",
        "<｜tool▁calls▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁outputs▁end｜>"}) {
    EXPECT_EQ(tokenizer->encode(token).size(), 1u) << token;
  }
}

TEST(BpeTrainer, TheMostFrequentPairIsMergedFirst) {
  BpeTrainer trainer(256 + 18 + 2);
  for (int i = 0; i < 3; ++i) trainer.add("abab");
  trainer.add("cd");
  trainer.train();
  // "ab" occurs six times; then "abab" three times, "cd" once.
  const auto json = nlohmann::json::parse(trainer.tokenizer_json());
  EXPECT_EQ(json["model"]["merges"], nlohmann::json({"a b", "ab ab"}));
}

TEST(BpeTrainer, RunsOfOneLetterMergeRight) {
  BpeTrainer trainer(256 + 18 + 3);
  for (int i = 0; i < 4; ++i) trainer.add("aaaaaaa");
  trainer.train();
  const auto tokenizer = text::Tokenizer::from_json(trainer.tokenizer_json());
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("aaaaaaaaa")), "aaaaaaaaa");
  EXPECT_LE(tokenizer->encode("aaaaaaaa").size(), 3u);
}

TEST(BpeTrainer, TheOrderOfTextsDoesNotMatter) {
  BpeTrainer forward(330), backward(330);
  const std::vector<std::string> texts = {"one two three", "two three three", kText, "ab ba ab"};
  for (const std::string& text : texts) forward.add(text);
  for (auto text = texts.rbegin(); text != texts.rend(); ++text) backward.add(*text);
  forward.train();
  backward.train();
  EXPECT_EQ(forward.tokenizer_json(), backward.tokenizer_json());
}

TEST(BpeTrainer, RefusesAVocabularyThatIsTooSmall) { EXPECT_THROW(BpeTrainer(200), Error); }

TEST(BpeTrainer, TheChatTemplateWritesDeepSeeksForm) {
  const auto tokenizer = trained(400);
  const text::ChatTemplate chat(*tokenizer);
  using Json = nlohmann::ordered_json;
  const Json call = {{"type", "function"},
                     {"function", {{"name", "get_time"}, {"arguments", "{\"city\":\"Rome\"}"}}}};
  const Json messages = {
      {{"role", "system"}, {"content", "Be brief."}},
      {{"role", "user"}, {"content", "Time?"}},
      {{"role", "assistant"}, {"content", nullptr}, {"tool_calls", {call, call}}},
      {{"role", "tool"}, {"content", "10:00"}},
      {{"role", "tool"}, {"content", "11:00"}}};
  const std::string text =
      "<｜begin▁of▁sentence｜>Be brief.<｜User｜>Time?<｜Assistant｜><｜tool▁calls▁begin｜>"
      "<｜tool▁call▁begin｜>function<｜tool▁sep｜>get_time\n```json\n{\"city\":\"Rome\"}\n```"
      "<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>get_time\n```json\n"
      "{\"city\":\"Rome\"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜><｜end▁of▁sentence｜>"
      "<｜tool▁outputs▁begin｜><｜tool▁output▁begin｜>10:00<｜tool▁output▁end｜>\n"
      "<｜tool▁output▁begin｜>11:00<｜tool▁output▁end｜><｜tool▁outputs▁end｜>";
  EXPECT_EQ(chat.render(messages, nullptr, true), text);
  Json more = messages;
  more.push_back({{"role", "assistant"}, {"content", "Ten."}});
  more.push_back({{"role", "user"}, {"content", "Thanks"}});
  EXPECT_EQ(chat.render(more, nullptr, true),
            text + "Ten.<｜end▁of▁sentence｜><｜User｜>Thanks<｜Assistant｜>");
  EXPECT_THROW(chat.render({{{"role", "oracle"}, {"content", "x"}}}, nullptr, true), Error);
}

}  // namespace
}  // namespace fathom::train
