// The tokenizer on a small one made by hand, for machines without the published file.
#include "text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <chrono>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "text/detokenizer.h"
#include "text/stop_ids.h"

namespace fathom::text {
namespace {

using Json = nlohmann::ordered_json;
using testing::ElementsAre;
using testing::HasSubstr;

// How byte-level vocabularies spell each byte, from the definition: the printable ones as
// themselves, the others from U+0100 on in their order.
std::vector<std::string> byte_spellings() {
  const auto utf8 = [](int c) {
    if (c < 0x80) return std::string(1, static_cast<char>(c));
    return std::string{static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 0x3F))};
  };
  std::vector<std::string> spellings;
  int next = 256;
  for (int b = 0; b < 256; ++b) {
    const bool printable = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
    spellings.push_back(utf8(printable ? b : next++));
  }
  return spellings;
}

// Ids 0..255 are the bytes; then one for each merge; then the added tokens <s> and <|tool|>.
Json tiny_json(const std::vector<std::pair<std::string, std::string>>& merges) {
  Json vocab;
  int id = 0;
  for (const std::string& spelling : byte_spellings()) vocab[spelling] = id++;
  Json merge_lines = Json::array();
  for (const auto& [left, right] : merges) {
    vocab[left + right] = id++;
    merge_lines.push_back(left + " " + right);
  }
  const auto added = [&](const std::string& content, bool special) {
    return Json{{"id", id++},      {"content", content},  {"single_word", false}, {"lstrip", false},
                {"rstrip", false}, {"normalized", false}, {"special", special}};
  };
  Json json;
  json["version"] = "1.0";
  json["added_tokens"] = Json::array({added("<s>", true), added("<|tool|>", false)});
  json["normalizer"] = nullptr;
  json["pre_tokenizer"] = {{"type", "ByteLevel"},
                           {"add_prefix_space", false},
                           {"trim_offsets", true},
                           {"use_regex", true}};
  json["post_processor"] = nullptr;
  json["decoder"] = {{"type", "ByteLevel"},
                     {"add_prefix_space", true},
                     {"trim_offsets", true},
                     {"use_regex", true}};
  json["model"] = {{"type", "BPE"},
                   {"dropout", nullptr},
                   {"unk_token", nullptr},
                   {"continuing_subword_prefix", nullptr},
                   {"end_of_word_suffix", nullptr},
                   {"fuse_unk", false},
                   {"byte_fallback", false},
                   {"vocab", vocab},
                   {"merges", merge_lines}};
  return json;
}

// 256 "he", 257 "ll", 258 "hell", 259 "hello", 260 "aa", 261 "aaaa"; 262 <s>, 263 <|tool|>.
Json tiny() {
  return tiny_json({{"h", "e"}, {"l", "l"}, {"he", "ll"}, {"hell", "o"}, {"a", "a"}, {"aa", "aa"}});
}

std::shared_ptr<const Tokenizer> load(const Json& json) {
  return Tokenizer::from_json(json.dump());
}

TEST(Tokenizer, MergesByRankWithinWords) {
  const auto tokenizer = load(tiny());
  EXPECT_EQ(tokenizer->vocab_size(), 264);
  EXPECT_THAT(tokenizer->encode("hello"), ElementsAre(259));
  EXPECT_THAT(tokenizer->encode("helo"), ElementsAre(256, 'l', 'o'));
  EXPECT_THAT(tokenizer->encode("aaaaaaa"), ElementsAre(261, 260, 'a'));
  EXPECT_THAT(tokenizer->encode("aaa"), ElementsAre(260, 'a'));
  EXPECT_THAT(tokenizer->encode(" hello"), ElementsAre(' ', 259));
  EXPECT_THAT(tokenizer->encode(""), ElementsAre());
}

TEST(Tokenizer, AddedTokensWhereSpelledOutAndNotInPlainText) {
  const auto tokenizer = load(tiny());
  EXPECT_THAT(tokenizer->encode("<s>hello<|tool|>"), ElementsAre(262, 259, 263));
  EXPECT_THAT(tokenizer->encode_plain("<s>"), ElementsAre('<', 's', '>'));
  EXPECT_TRUE(tokenizer->is_special(262));
  EXPECT_FALSE(tokenizer->is_special(263));
  EXPECT_TRUE(tokenizer->is_added(263));
  const std::vector<int32_t> ids = {262, 259, 263};
  EXPECT_EQ(tokenizer->decode(ids), "<s>hello<|tool|>");
  EXPECT_EQ(tokenizer->decode(ids, true), "hello<|tool|>");
}

TEST(Tokenizer, EveryTextComesBack) {
  const auto tokenizer = load(tiny());
  std::mt19937 random(7);
  const std::vector<std::string> parts = {
      "hello", "a",  " ", "\n", "你",   "🎉",  "<s",
      "9",     "\t", "é", "'s", "\r\n", "ll", std::string(1, '\0')};
  for (int round = 0; round < 300; ++round) {
    std::string text;
    for (int i = 0; i < 40; ++i) text += parts[random() % parts.size()];
    const auto ids = tokenizer->encode(text);
    ASSERT_EQ(tokenizer->decode(ids), text);
    Detokenizer stream(tokenizer, false);
    std::string streamed;
    for (const int32_t id : ids) streamed += stream.push(id);
    ASSERT_EQ(streamed + stream.finish(), text);
  }
}

TEST(Tokenizer, PiecesNeverSplitACharacter) {
  const auto tokenizer = load(tiny());
  Detokenizer stream(tokenizer, false);
  EXPECT_EQ(stream.push(0xE4), "");
  EXPECT_EQ(stream.push(0xBD), "");
  EXPECT_EQ(stream.push(0xA0), "你");
  EXPECT_EQ(stream.push(0xE4), "");
  EXPECT_EQ(stream.finish(), "\xEF\xBF\xBD");
}

TEST(Tokenizer, IdsPastTheVocabularyDecodeToNothing) {
  const auto tokenizer = load(tiny());
  const std::vector<int32_t> ids = {-1, 264, INT32_MAX, 'a', INT32_MIN};
  EXPECT_EQ(tokenizer->decode(ids), "a");
}

TEST(Tokenizer, InvalidUtf8IsRefused) {
  const auto tokenizer = load(tiny());
  for (const char* text : {"abc\xff", "\xe4\xbd", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc0\x80"}) {
    try {
      tokenizer->encode(text);
      FAIL() << "accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kBadInput);
      EXPECT_THAT(error.what(), HasSubstr("UTF-8"));
    }
  }
}

TEST(Tokenizer, DamagedFilesAreRefusedByField) {
  const auto refused = [](const Json& json, ErrorKind kind, const char* part) {
    try {
      load(json);
      FAIL() << "accepted; expected an error with " << part;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), kind) << error.what();
      EXPECT_THAT(error.what(), HasSubstr(part));
      EXPECT_THAT(error.what(), HasSubstr("tokenizer.json"));
    }
  };
  using enum ErrorKind;
  Json json = tiny();
  json["model"]["type"] = "Unigram";
  refused(json, kUnsupported, "Unigram");
  json = tiny();
  json["normalizer"] = {{"type", "NFC"}};
  refused(json, kUnsupported, "NFC");
  json = tiny();
  json["model"]["vocab"]["hello"] = -3;
  refused(json, kBadInput, "-3");
  json = tiny();
  json["model"]["merges"].push_back("q zz");
  refused(json, kBadInput, "zz");
  json = tiny();
  json["model"].erase("vocab");
  refused(json, kBadInput, "vocab");
  json = tiny();
  json["pre_tokenizer"] = {{"type", "Metaspace"}};
  refused(json, kUnsupported, "Metaspace");
  json = tiny();
  for (int i = 0; i < 40; ++i) {
    const Json inner = json["decoder"];
    json["decoder"] = {{"type", "Sequence"}, {"decoders", Json::array({inner})}};
  }
  refused(json, kBadInput, "nested deeper than 32 levels");
  EXPECT_THROW(Tokenizer::from_json("{\"model\":"), Error);
  EXPECT_THROW(Tokenizer::from_json(""), Error);
}

TEST(StopIds, AreThoseThatTheModelHas) {
  const auto named = Tokenizer::from_json(tiny().dump(), R"({"eos_token": "<s>"})");
  EXPECT_THAT(stop_ids(1, nullptr, 300), ElementsAre(1));
  EXPECT_THAT(stop_ids(1, load(tiny()).get(), 300), ElementsAre(1));
  EXPECT_THAT(stop_ids(1, named.get(), 300), ElementsAre(1, 262));
  EXPECT_THAT(stop_ids(262, named.get(), 300), ElementsAre(262));
  EXPECT_THAT(stop_ids(-1, named.get(), 300), ElementsAre(262));
  EXPECT_THAT(stop_ids(300, named.get(), 262), ElementsAre());
}

TEST(Tokenizer, ThreadsEncodeTheSame) {
  const auto tokenizer = load(tiny());
  std::string text;
  for (int i = 0; i < 2000; ++i) text += "hello a" + std::to_string(i) + "\n";
  const auto expected = tokenizer->encode(text);
  std::vector<std::thread> threads;
  std::vector<std::vector<int32_t>> got(4);
  for (auto& ids : got) threads.emplace_back([&] { ids = tokenizer->encode(text); });
  for (std::thread& thread : threads) thread.join();
  for (const auto& ids : got) EXPECT_EQ(ids, expected);
}

// Four times the word may take four times as long, and a little more for the heap; quadratic
// growth would take sixteen times.
TEST(Tokenizer, LongWordsTakeTimeInTheirLength) {
  // Memory stays with the process, so that the second round of each length meets no page faults.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  constexpr size_t kBytes = 1 << 20;
  const auto tokenizer = load(tiny());
  const auto seconds = [&](const std::string& text) {
    double best = 1e9;
    for (int round = 0; round < 3; ++round) {
      const auto start = std::chrono::steady_clock::now();
      const auto ids = tokenizer->encode(text);
      best = std::min(
          best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
      EXPECT_FALSE(ids.empty());
    }
    return best;
  };
  std::string letters, zs(kBytes, 'z');
  std::mt19937 random(3);
  while (letters.size() < kBytes) letters += static_cast<char>('a' + random() % 26);
  for (const std::string& text : {letters, zs, std::string(kBytes, 'a'), std::string(kBytes, ' '),
                                  std::string(kBytes, '\n')}) {
    const double quarter = seconds(text.substr(0, text.size() / 4));
    EXPECT_LT(seconds(text), 9 * quarter + 0.02) << "of " << text.substr(0, 3);
  }
}

}  // namespace
}  // namespace fathom::text
