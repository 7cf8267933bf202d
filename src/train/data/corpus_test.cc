#include "train/data/corpus.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "train/data/bpe_trainer.h"

namespace fathom::train {
namespace {

using Json = nlohmann::ordered_json;

std::shared_ptr<const text::Tokenizer> tokenizer() {
  BpeTrainer trainer(300);
  trainer.add("hello world, hello there");
  trainer.train();
  return text::Tokenizer::from_json(trainer.tokenizer_json(), trainer.tokenizer_config_json(512));
}

std::string learnt(const text::Tokenizer& t, const Encoded& e) {
  std::vector<int32_t> ids;
  for (size_t i = 0; i < e.ids.size(); ++i) {
    if (e.mask[i]) ids.push_back(e.ids[i]);
  }
  return t.decode(ids);
}

TEST(Corpus, AReplyThatOnlyCallsAToolHasNoText) {
  Document document;
  document.messages = {{{"role", "user"}, {"content", "look"}},
                       {{"role", "assistant"}, {"content", nullptr}, {"tool_calls", Json::array()}},
                       {{"role", "tool"}, {"content", "found"}}};
  EXPECT_EQ(texts_of(document), (std::vector<std::string>{"look", "found"}));
}

TEST(Corpus, AConversationTeachesItsReplies) {
  const auto t = tokenizer();
  Document document;
  document.messages = {{{"role", "user"}, {"content", "hello"}},
                       {{"role", "assistant"}, {"content", "world"}},
                       {{"role", "user"}, {"content", "again"}},
                       {{"role", "assistant"}, {"content", "there"}}};
  const Encoded e = DocumentEncoder(t, 0, 1).encode(document);
  EXPECT_EQ(t->decode(e.ids),
            "<｜begin▁of▁sentence｜><｜User｜>hello<｜Assistant｜>world<｜end▁of▁sentence｜>"
            "<｜User｜>again<｜Assistant｜>there<｜end▁of▁sentence｜>");
  EXPECT_EQ(learnt(*t, e), "world<｜end▁of▁sentence｜>there<｜end▁of▁sentence｜>");
}

TEST(Corpus, AReplyToAToolFollowsItsOutput) {
  const auto t = tokenizer();
  Document document;
  document.messages = {{{"role", "user"}, {"content", "hello"}},
                       {{"role", "assistant"}, {"content", "call"}},
                       {{"role", "tool"}, {"content", "out"}},
                       {{"role", "assistant"}, {"content", "done"}}};
  document.tools = {{{"type", "function"}, {"function", {{"name", "f"}}}}};
  const Encoded e = DocumentEncoder(t, 0, 1).encode(document);
  EXPECT_EQ(learnt(*t, e), "call<｜end▁of▁sentence｜>done<｜end▁of▁sentence｜>");
  EXPECT_NE(t->decode(e.ids).find("## Tools"), std::string::npos);
  EXPECT_NE(t->decode(e.ids).find("<｜tool▁outputs▁end｜>done"), std::string::npos);
}

TEST(Corpus, FillInTheMiddleKeepsTheText) {
  const auto t = tokenizer();
  DocumentEncoder encoder(t, 1.0, 3);
  Document document;
  document.text = "héllo wörld 你好";
  for (int i = 0; i < 50; ++i) {
    const std::string text = t->decode(encoder.encode(document).ids);
    const auto between = [&](const std::string& from, const std::string& to) {
      const size_t begin = text.find(from) + from.size();
      return text.substr(begin, text.find(to) - begin);
    };
    EXPECT_EQ(between("<｜fim▁begin｜>", "<｜fim▁hole｜>") +
                  between("<｜fim▁end｜>", "<｜end▁of▁sentence｜>") +
                  between("<｜fim▁hole｜>", "<｜fim▁end｜>"),
              document.text);
  }
}

TEST(Corpus, WindowsHoldWholeDocuments) {
  const std::string path = testing::TempDir() + "packed.bin";
  std::vector<Encoded> documents;
  Rng rng(1);
  size_t total = 0;
  for (int i = 0; i < 200; ++i) {
    Encoded e;
    const size_t n = 2 + rng.below(60);
    e.ids.assign(n, 10 + i);
    e.ids.back() = 1;
    e.mask.assign(n, 1);
    total += n;
    documents.push_back(e);
  }
  TokenBinWriter writer(path, 512, true);
  pack_documents(documents, 64, 2, 5, writer);
  writer.finish();
  const TokenBin bin = TokenBin::open(path);
  EXPECT_EQ(bin.size() % 64, 0u);
  EXPECT_LT(bin.size(), total * 13 / 10);
  std::vector<int32_t> ids(bin.size());
  std::vector<uint8_t> mask(bin.size());
  bin.read(0, ids);
  bin.read_mask(0, mask);
  size_t kept = 0, ends = 0;
  for (size_t i = 0; i < ids.size(); ++i) {
    EXPECT_EQ(mask[i], ids[i] != 2);
    kept += mask[i];
    ends += ids[i] == 1;
    // A document under way at a window's end would go on in the next.
    if (i % 64 == 63) {
      EXPECT_TRUE(ids[i] == 1 || ids[i] == 2) << i;
    }
  }
  EXPECT_EQ(kept, total);
  EXPECT_EQ(ends, documents.size());
}

TEST(Corpus, ASystemMessageWithoutContentTakesTheTools) {
  const auto messages = nlohmann::ordered_json::parse(
      R"([{"role": "system", "content": null}, {"role": "user", "content": "hi"}])");
  const auto tools =
      nlohmann::ordered_json::parse(R"([{"type": "function", "function": {"name": "f"}}])");
  const auto with = with_tools_prompt(messages, tools);
  ASSERT_EQ(with.size(), 2u);
  EXPECT_NE(with[0]["content"].get<std::string>().find("\"f\""), std::string::npos);
}

TEST(Corpus, SameSeedSameBins) {
  std::vector<Encoded> documents;
  for (int i = 0; i < 50; ++i) documents.push_back({{i + 3, i + 4, 1}, {1, 1, 1}});
  const auto packed = [&](uint64_t seed) {
    const std::string path = testing::TempDir() + "seeded.bin";
    TokenBinWriter writer(path, 512, true);
    pack_documents(documents, 16, 2, seed, writer);
    writer.finish();
    const TokenBin bin = TokenBin::open(path);
    std::vector<int32_t> ids(bin.size());
    bin.read(0, ids);
    return ids;
  };
  EXPECT_EQ(packed(1), packed(1));
  EXPECT_NE(packed(1), packed(2));
}

TEST(Corpus, RefusesLinesThatAreNoDocuments) {
  const std::string path = testing::TempDir() + "bad.jsonl";
  for (const char* line : {"not json", "[1]", "{\"other\": 1}", "{\"text\": 3}",
                           "{\"messages\": [\"hi\"]}", "{\"messages\": [{\"content\": \"hi\"}]}",
                           "{\"messages\": [{\"role\": \"user\", \"content\": [1]}]}"}) {
    std::ofstream(path) << "{\"text\": \"fine\"}\n" << line << "\n";
    try {
      for_each_document(path, [](const Document&) {});
      ADD_FAILURE() << line;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find("line 2"), std::string::npos) << error.what();
    }
  }
  EXPECT_THROW(for_each_document(testing::TempDir() + "none.jsonl", [](const Document&) {}), Error);
}

}  // namespace
}  // namespace fathom::train
