// What --numerics int8 costs: its logits beside those of the published inference in float64, and
// beside exact ones of a trained model.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>

#include <nlohmann/json.hpp>

#include "base/median.h"
#include "base/rng.h"
#include "checkpoint/safetensors_file.h"
#include "model/capture.h"
#include "model/relative_error.h"
#include "model/transformer.h"

namespace fathom {
namespace {

Transformer open(const std::string& dir, Numerics numerics) {
  return Transformer(ModelWeights::load(Checkpoint::open(FATHOM_SOURCE_DIR "/" + dir)),
                     {numerics, 2});
}

std::vector<float> logits_of(Transformer& model, std::span<const int32_t> tokens) {
  const NamedArray array = prompt_logits(model, tokens, "");
  std::vector<float> logits(array.data.size() / sizeof(float));
  std::memcpy(logits.data(), array.data.data(), array.data.size());
  return logits;
}

// Random weights at a width of two blocks: the worst that can be. Where the error tips the choice
// of an expert, a row is as far off as two experts are, so the bound is on the median row.
TEST(Int8Error, LogitsOfTheGoldenModels) {
  for (const std::string name : {"v3-tiny-fp8", "v3-tiny-bf16"}) {
    const std::string dir = "tests/golden/model/" + name;
    Transformer model = open(dir, Numerics::kInt8);
    const std::string path = FATHOM_SOURCE_DIR "/" + dir;
    const SafetensorsFile expected = SafetensorsFile::open(path + "/expected.safetensors");
    std::ifstream file(path + "/expected.json");
    std::vector<double> errors;
    const auto json = nlohmann::json::parse(file);
    for (const auto& entry : json["prompts"]) {
      const std::string id = entry["id"];
      const std::vector<int32_t> tokens = entry["tokens"];
      const std::vector<float> got = logits_of(model, tokens);
      const auto want = expected.get("logits." + id).as<float>();
      ASSERT_EQ(got.size(), want.size());
      const size_t width = got.size() / tokens.size();
      for (size_t row = 0; row < tokens.size(); ++row) {
        errors.push_back(relative_l2(std::span(got).subspan(row * width, width),
                                     want.subspan(row * width, width)));
      }
    }
    const double middle = median(errors);
    RecordProperty(name, std::to_string(middle));
    EXPECT_LT(middle, 0.1) << name;
    EXPECT_GT(middle, 0.001) << name << ": does it round at all?";
  }
}

// The embedded model on what it says itself: greedy continuations of random beginnings.
TEST(Int8Error, AgreementOfATrainedModel) {
  Transformer exact = open("models/fathom-10m", Numerics::kExact);
  Transformer rounded = open("models/fathom-10m", Numerics::kInt8);
  Rng rng(1);
  std::vector<double> errors;
  int same = 0, total = 0;
  double nats = 0, rounded_nats = 0;
  for (int text = 0; text < 6; ++text) {
    std::vector<int32_t> tokens = {0};
    for (int i = 0; i < 8; ++i) tokens.push_back(static_cast<int32_t>(2 + rng.below(4000)));
    SequencePages pages(exact);
    for (size_t start = 0; tokens.size() < 120;) {
      const StepSequence step{std::span(tokens).subspan(start), static_cast<int64_t>(start),
                              pages.reserve(std::ssize(tokens)), 1};
      const auto row = exact.forward({&step, 1}).logits.row_span(0);
      start = tokens.size();
      tokens.push_back(
          static_cast<int32_t>(std::max_element(row.begin(), row.end()) - row.begin()));
    }
    const std::vector<float> want = logits_of(exact, tokens), got = logits_of(rounded, tokens);
    const size_t width = want.size() / tokens.size();
    for (size_t row = 8; row + 1 < tokens.size(); ++row) {
      const auto a = std::span(want).subspan(row * width, width);
      const auto b = std::span(got).subspan(row * width, width);
      errors.push_back(relative_l2(b, a));
      same += std::max_element(a.begin(), a.end()) - a.begin() ==
              std::max_element(b.begin(), b.end()) - b.begin();
      ++total;
      const auto loss = [&](std::span<const float> logits) {
        const double most = *std::max_element(logits.begin(), logits.end());
        double sum = 0;
        for (float v : logits) sum += std::exp(v - most);
        return most + std::log(sum) - logits[static_cast<size_t>(tokens[row + 1])];
      };
      nats += loss(a);
      rounded_nats += loss(b);
    }
  }
  const double middle = median(errors);
  RecordProperty("median_error", std::to_string(middle));
  RecordProperty("agreement", std::to_string(static_cast<double>(same) / total));
  EXPECT_LT(middle, 0.04);
  EXPECT_GT(same, total * 0.95);
  EXPECT_NEAR(rounded_nats / total, nats / total, 0.02);
}

// So that caches of one numerics never serve another.
TEST(Int8Error, FingerprintsDiffer) {
  const std::string dir = "tests/golden/model/v3-tiny-fp8";
  EXPECT_NE(open(dir, Numerics::kInt8).fingerprint(), open(dir, Numerics::kNative).fingerprint());
}

}  // namespace
}  // namespace fathom
