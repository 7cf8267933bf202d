#include "api/prompt.h"

#include <gtest/gtest.h>

namespace fathom::api {
namespace {

std::shared_ptr<const text::Tokenizer> tokenizer() {
  static const auto loaded = text::Tokenizer::load(FATHOM_SOURCE_DIR "/models/fathom-10m");
  return loaded;
}

ChatRequest conversation(std::vector<std::string> texts) {
  ChatRequest request;
  for (size_t i = 0; i < texts.size(); ++i) {
    ChatMessage message;
    message.role = i % 2 == 0 ? Role::kUser : Role::kAssistant;
    message.content = std::move(texts[i]);
    request.messages.push_back(std::move(message));
  }
  return request;
}

// The ids of the characters one by one: what nobody's tokenizer gives for the text.
std::vector<int32_t> spelled(const std::string& text) {
  std::vector<int32_t> ids;
  for (const char c : text) {
    const auto more = tokenizer()->encode_plain(std::string(1, c));
    ids.insert(ids.end(), more.begin(), more.end());
  }
  return ids;
}

TEST(PromptBuilder, AConversationGoesOnWithTheIdsOfItsAnswer) {
  PromptBuilder prompts(tokenizer());
  const Prompt first = prompts.chat(conversation({"Hello"}));
  const std::vector<int32_t> answer = spelled("Good morning to you");
  const ChatRequest next = conversation({"Hello", "Good morning to you", "And now?"});
  const std::vector<int32_t> anew = prompts.chat(next).ids;
  prompts.remember(first, answer);
  const std::vector<int32_t> known = prompts.chat(next).ids;
  std::vector<int32_t> beginning = first.ids;
  beginning.insert(beginning.end(), answer.begin(), answer.end());
  ASSERT_GT(known.size(), beginning.size());
  EXPECT_TRUE(std::equal(beginning.begin(), beginning.end(), known.begin()));
  EXPECT_NE(known, anew);
  EXPECT_EQ(tokenizer()->decode(known), tokenizer()->decode(anew));
}

// Once an answer of nothing but such tokens made every later request with that prompt longer.
TEST(PromptBuilder, AnAnswerWhoseTokensShowNothingIsNotRemembered) {
  PromptBuilder prompts(tokenizer());
  const ChatRequest request = conversation({"Hello"});
  const Prompt first = prompts.chat(request);
  const int32_t special = *tokenizer()->bos_id(), unused = tokenizer()->vocab_size() + 3;
  ASSERT_TRUE(tokenizer()->is_special(special));
  for (const std::vector<int32_t>& answer : {std::vector{special}, {unused}, {special, unused}}) {
    prompts.remember(first, answer);
    EXPECT_EQ(prompts.chat(request).ids, first.ids);
  }
  // Nor does a hidden one among others go unseen into the next request.
  std::vector<int32_t> answer = spelled("Good morning");
  answer.push_back(unused);
  const ChatRequest next = conversation({"Hello", "Good morning", "And now?"});
  const std::vector<int32_t> anew = prompts.chat(next).ids;
  prompts.remember(first, answer);
  EXPECT_EQ(prompts.chat(next).ids, anew);
}

}  // namespace
}  // namespace fathom::api
