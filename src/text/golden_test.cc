// The golden lines, on DeepSeek-V3's published tokenizer (scripts/fetch_tokenizer.sh).
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "text/chat_template.h"
#include "text/detokenizer.h"
#include "text/tokenizer.h"

namespace fathom::text {
namespace {

using Json = nlohmann::json;

// $FATHOM_V3_TOKENIZER, which must be right where it is set (test.sh does), else the script's
// cache.
std::string published_dir() {
  if (const char* named = std::getenv("FATHOM_V3_TOKENIZER")) return named;
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  const std::string root = cache ? cache : std::string(home ? home : "") + "/.cache";
  const std::string dir = root + "/fathom/tokenizer-deepseek-v3-3.7.2";
  return std::filesystem::exists(dir + "/tokenizer.json") ? dir : "";
}

std::shared_ptr<const Tokenizer> published() {
  static const auto tokenizer = Tokenizer::load(published_dir());
  return tokenizer;
}

std::vector<Json> golden(const std::string& name) {
  std::ifstream file(FATHOM_SOURCE_DIR "/tests/golden/tokenizer/" + name);
  std::vector<Json> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(Json::parse(line));
  return lines;
}

class GoldenTest : public testing::Test {
 protected:
  void SetUp() override {
    if (published_dir().empty()) GTEST_SKIP() << "run scripts/fetch_tokenizer.sh first";
  }
};

TEST_F(GoldenTest, Encode) {
  const auto lines = golden("encode.jsonl");
  ASSERT_EQ(lines.size(), 1188u);
  for (const Json& line : lines) {
    EXPECT_EQ(published()->encode(line["text"].get<std::string>()),
              line["ids"].get<std::vector<int32_t>>())
        << line;
  }
}

TEST_F(GoldenTest, Decode) {
  const auto lines = golden("decode.jsonl");
  ASSERT_EQ(lines.size(), 218u);
  for (const Json& line : lines) {
    const auto ids = line["ids"].get<std::vector<int32_t>>();
    EXPECT_EQ(published()->decode(ids, line["skip_special_tokens"].get<bool>()),
              line["text"].get<std::string>())
        << line;
  }
}

TEST_F(GoldenTest, DecodeInPieces) {
  for (const Json& line : golden("decode.jsonl")) {
    Detokenizer stream(published(), line["skip_special_tokens"].get<bool>());
    std::vector<std::string> pieces;
    for (const int32_t id : line["ids"].get<std::vector<int32_t>>())
      pieces.push_back(stream.push(id));
    EXPECT_EQ(pieces, line["pieces"].get<std::vector<std::string>>()) << line;
    EXPECT_EQ(stream.finish(), line["tail"].get<std::string>()) << line;
  }
}

TEST_F(GoldenTest, ChatTemplate) {
  const ChatTemplate chat(*published());
  std::ifstream file(FATHOM_SOURCE_DIR "/tests/golden/tokenizer/chat.jsonl");
  int lines = 0;
  for (std::string text; std::getline(file, text); ++lines) {
    const auto line = nlohmann::ordered_json::parse(text);
    EXPECT_EQ(
        chat.render(line["messages"], line["tools"], line["add_generation_prompt"].get<bool>()),
        line["text"].get<std::string>())
        << text;
  }
  EXPECT_EQ(lines, 34);
}

TEST_F(GoldenTest, ChatIds) {
  const auto lines = golden("chat.jsonl");
  ASSERT_EQ(lines.size(), 34u);
  for (const Json& line : lines) {
    EXPECT_EQ(published()->encode(line["text"].get<std::string>()),
              line["ids"].get<std::vector<int32_t>>())
        << line;
  }
}

TEST_F(GoldenTest, NamesOfThePublishedTokenizer) {
  const Tokenizer& tokenizer = *published();
  EXPECT_EQ(tokenizer.vocab_size(), 128815);
  EXPECT_EQ(tokenizer.bos_id(), 0);
  EXPECT_EQ(tokenizer.eos_id(), 1);
  EXPECT_EQ(tokenizer.token_to_id("<｜Assistant｜>"), 128804);
  EXPECT_FALSE(tokenizer.is_special(128804));
  EXPECT_TRUE(tokenizer.is_added(128804));
  EXPECT_TRUE(tokenizer.is_special(1));
}

}  // namespace
}  // namespace fathom::text
