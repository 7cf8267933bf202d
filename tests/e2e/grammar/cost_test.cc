// What masks cost on DeepSeek-V3's published vocabulary, and that its tokens are followed rightly.
#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>

#include "base/rng.h"
#include "engine/testing/grammar_text.h"
#include "engine/testing/schemas.h"
#include "fetched.h"
#include "text/tokenizer.h"

namespace fathom::engine {
namespace {

constexpr int64_t kVocab = 129'280;
// A step of the smallest model with this vocabulary that is worth running takes 30 ms and more.
constexpr double kStepMilliseconds = 30;

const text::Tokenizer& tokenizer() {
  static const auto tokenizer =
      text::Tokenizer::load(fetched("FATHOM_V3_TOKENIZER", "fetch_tokenizer.sh"));
  return *tokenizer;
}

std::shared_ptr<const Vocabulary> published() {
  static const auto vocabulary = [] {
    std::vector<std::string> tokens(kVocab);
    for (int32_t id = 0; id < tokenizer().vocab_size(); ++id) {
      if (!tokenizer().is_added(id)) tokens[id] = tokenizer().token_bytes(id);
    }
    return std::make_shared<const Vocabulary>(tokens, std::vector{*tokenizer().eos_id()});
  }();
  return vocabulary;
}

double cpu_milliseconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) * 1e-6;
}

/// Masks and steps of an answer, in milliseconds a token.
struct Cost {
  double mean = 0;
  double worst = 0;
};

Cost follow(const Grammar& grammar, const std::vector<int32_t>& ids) {
  const auto constraint = grammar.new_constraint();
  std::vector<uint64_t> mask((kVocab + 63) / 64);
  Cost cost;
  for (int32_t id : ids) {
    const double start = cpu_milliseconds();
    constraint->fill_mask(mask);
    const double filled = cpu_milliseconds();
    if ((mask[id / 64] >> (id % 64) & 1) == 0) {
      ADD_FAILURE() << "not allowed: " << tokenizer().token_bytes(id);
      return cost;
    }
    constraint->advance(id);
    const double spent = cpu_milliseconds() - start;
    cost.mean += spent / static_cast<double>(ids.size());
    cost.worst = std::max(cost.worst, filled - start);
  }
  constraint->fill_mask(mask);
  EXPECT_TRUE(mask[*tokenizer().eos_id() / 64] >> (*tokenizer().eos_id() % 64) & 1);
  return cost;
}

constexpr const char* kAnswer = R"({
  "city": "Hangzhou",
  "country": "中国",
  "population": 12204000,
  "area_km2": 16853.57,
  "capital": false,
  "sights": [
    {"name": "West Lake", "kind": "lake", "since": 2011},
    {"name": "Lingyin Temple", "kind": "temple", "since": 328}
  ],
  "notes": "Known for tea (\"Longjing\"), silk and the Grand Canal; 杭州是浙江省的省会。"
})";

constexpr const char* kAnswerSchema = R"({"type":"object","properties":{"city":{"type":"string"},
  "country":{"type":"string","minLength":1,"maxLength":60},"population":{"type":"integer",
  "minimum":0},"area_km2":{"type":"number","minimum":0},"capital":{"type":"boolean"},
  "sights":{"type":"array","items":{"type":"object","properties":{"name":{"type":"string"},
  "kind":{"enum":["lake","temple","museum"]},"since":{"type":["integer","null"]}},
  "required":["name","kind"],"additionalProperties":false},"maxItems":10},
  "notes":{"type":"string","maxLength":400}},"required":["city","country","notes"],
  "additionalProperties":false})";

TEST(GrammarCost, IsBelowATwentiethOfAStep) {
  const auto ids = tokenizer().encode_plain(kAnswer);
  const double before = cpu_milliseconds();
  published();
  std::printf("vocabulary: %zu trie nodes in %.0f ms\n", published()->nodes().size(),
              cpu_milliseconds() - before);
  const std::pair<const char*, Grammar::Ptr> grammars[] = {
      {"json_object", Grammar::json_object(published())},
      {"json_schema", Grammar::json_schema(kAnswerSchema, published())}};
  for (const auto& [name, grammar] : grammars) {
    const Cost first = follow(*grammar, ids), again = follow(*grammar, ids);
    std::printf("%s: %zu tokens; first answer %.3f ms a token, worst mask %.2f; then %.4f ms\n",
                name, ids.size(), first.mean, first.worst, again.mean);
    EXPECT_LT(first.mean, 0.05 * kStepMilliseconds) << name;
    EXPECT_LT(again.mean, 0.01 * kStepMilliseconds) << name;
  }
}

// Uniform choices among what is allowed: the widest walk there is.
TEST(GrammarCost, RandomAnswersByEverySchemaEndAndCostLittle) {
  Rng rng(1);
  std::vector<uint64_t> mask((kVocab + 63) / 64);
  double total = 0;
  int64_t tokens = 0, ended = 0;
  for (const char* schema : kSchemas) {
    const auto grammar = Grammar::json_schema(schema, published());
    const auto constraint = grammar->new_constraint();
    for (int i = 0; i < 600; ++i, ++tokens) {
      const double start = cpu_milliseconds();
      constraint->fill_mask(mask);
      total += cpu_milliseconds() - start;
      std::vector<int32_t> open;
      for (int32_t id = 0; id < kVocab; ++id) {
        if (mask[id / 64] >> (id % 64) & 1) open.push_back(id);
      }
      ASSERT_FALSE(open.empty()) << schema;
      const int32_t id = open[rng.below(open.size())];
      if (published()->ends(id)) {
        ++ended;
        break;
      }
      constraint->advance(id);
    }
  }
  std::printf("%ld tokens, %ld of %zu answers ended within 600; %.3f ms a mask\n", tokens, ended,
              kSchemas.size(), total / static_cast<double>(tokens));
  EXPECT_LT(total / static_cast<double>(tokens), 0.05 * kStepMilliseconds);
}

}  // namespace
}  // namespace fathom::engine
