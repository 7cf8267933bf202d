// The whole model against values of the published inference code (tests/golden/model/*/README.md).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>

#include <nlohmann/json.hpp>

#include "checkpoint/safetensors_file.h"
#include "kernels/activations.h"
#include "model/capture.h"
#include "model/relative_error.h"
#include "model/transformer.h"

namespace fathom {
namespace {

constexpr int32_t kGreedyTokens = 24;

struct Prompt {
  std::string id;
  std::vector<int32_t> tokens;
  std::vector<int32_t> greedy;
};

std::string golden_dir(const std::string& name) {
  return std::string(FATHOM_SOURCE_DIR "/tests/golden/model/") + name;
}

std::vector<Prompt> read_prompts(const std::string& dir) {
  std::ifstream file(dir + "/expected.json");
  const auto json = nlohmann::json::parse(file);
  std::vector<Prompt> prompts;
  for (const auto& entry : json["prompts"]) {
    prompts.push_back({entry["id"], entry["tokens"], entry["greedy_24"]});
  }
  return prompts;
}

void expect_equal(const NamedArray& got, const TensorView& want, double bound) {
  SCOPED_TRACE(got.name);
  ASSERT_EQ(got.shape, want.shape);
  ASSERT_EQ(got.dtype, want.dtype);
  if (got.dtype == DType::kI32) {
    EXPECT_EQ(std::memcmp(got.data.data(), want.data, want.bytes), 0);
    return;
  }
  const auto elements = got.data.size() / sizeof(float);
  EXPECT_LT(
      relative_l2({reinterpret_cast<const float*>(got.data.data()), elements}, want.as<float>()),
      bound);
}

std::vector<int32_t> greedy(Transformer& model, std::vector<int32_t> tokens, int count) {
  SequencePages pages(model);
  std::vector<int32_t> made;
  int64_t start = 0;
  while (static_cast<int>(made.size()) < count) {
    const auto total = static_cast<int64_t>(tokens.size());
    const StepSequence step{std::span(tokens).subspan(static_cast<size_t>(start)), start,
                            pages.reserve(total), 1};
    const auto logits = model.forward({&step, 1}).logits.row_span(0);
    made.push_back(
        static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin()));
    tokens.push_back(made.back());
    start = total;
  }
  return made;
}

class Golden
    : public testing::TestWithParam<std::tuple<std::tuple<const char*, Numerics>, const Kernels*>> {
 protected:
  Golden()
      : dir_(golden_dir(std::get<0>(std::get<0>(GetParam())))),
        prefix_(numerics() == Numerics::kW8A8 ? "w8a8." : ""),
        expected_(SafetensorsFile::open(dir_ + "/expected.safetensors")),
        model_(ModelWeights::load(Checkpoint::open(dir_)),
               {numerics(), 2, std::get<1>(GetParam())}) {}

  static Numerics numerics() { return std::get<1>(std::get<0>(GetParam())); }

  std::string dir_;
  std::string prefix_;
  SafetensorsFile expected_;
  Transformer model_;
};

TEST_P(Golden, LogitsOfEveryPrompt) {
  for (const Prompt& prompt : read_prompts(dir_)) {
    expect_equal(prompt_logits(model_, prompt.tokens, prompt.id),
                 expected_.get(prefix_ + "logits." + prompt.id), 1e-5);
  }
}

TEST_P(Golden, HiddenStatesRoutingAndMtp) {
  for (const Prompt& prompt : read_prompts(dir_)) {
    if (prompt.id != "p40") continue;
    for (const NamedArray& got : capture(model_, prompt.tokens)) {
      const std::string prefix = got.name == "rope.inv_freq" ? "" : prefix_;
      expect_equal(got, expected_.get(prefix + got.name), 1e-5);
    }
  }
}

TEST_P(Golden, GreedyContinuations) {
  if (!prefix_.empty()) return;  // given for exact numerics only
  for (const Prompt& prompt : read_prompts(dir_)) {
    EXPECT_EQ(greedy(model_, prompt.tokens, kGreedyTokens), prompt.greedy) << prompt.id;
  }
}

std::string case_name(const testing::TestParamInfo<Golden::ParamType>& info) {
  const auto& [model, set] = info.param;
  std::string name = std::get<0>(model);
  std::replace(name.begin(), name.end(), '-', '_');
  return name + "_" + std::string(numerics_name(std::get<1>(model))) + "_" + set->name;
}

// Of every set; ref too: the definition meets what it defines.
INSTANTIATE_TEST_SUITE_P(
    Models, Golden,
    testing::Combine(testing::Values(std::tuple{"v3-tiny-fp8", Numerics::kExact},
                                     std::tuple{"v3-tiny-bf16", Numerics::kExact},
                                     std::tuple{"v3-tiny-fp8", Numerics::kW8A8}),
                     testing::ValuesIn(runnable_kernels())),
    case_name);

// The published quantizer alone, bit for bit, and one FP8 product with and without it.
TEST(GoldenUnits, QuantizerBitForBit) {
  const std::string dir = golden_dir("v3-tiny-fp8");
  const SafetensorsFile expected = SafetensorsFile::open(dir + "/expected.safetensors");
  const TensorView& x = expected.get("unit.act_quant.x");
  const int64_t rows = x.shape[0], cols = x.shape[1];
  for (const Kernels* set : runnable_kernels()) {
    ActivationBuffer buffer;
    const Activations got =
        buffer.prepare(*set, Numerics::kW8A8, {x.as<float>().data(), rows, cols});
    const TensorView& codes = expected.get("unit.act_quant.codes");
    const TensorView& scales = expected.get("unit.act_quant.scales");
    EXPECT_EQ(std::memcmp(got.codes.data, codes.data, codes.bytes), 0) << set->name;
    EXPECT_EQ(std::memcmp(got.scales.data, scales.data, scales.bytes), 0) << set->name;

    const ModelWeights weights = ModelWeights::load(Checkpoint::open(dir));
    const WeightView& w = weights.layers[0].attention.q_a;
    std::vector<float> y(static_cast<size_t>(rows * w.rows));
    const Mat<float> out(y.data(), rows, w.rows);
    set->linear(got, w, 0, w.rows, out);
    EXPECT_LT(relative_l2(y, expected.get("unit.q_a_proj_layer0.w8a8").as<float>()), 1e-6);
    set->linear(buffer.prepare(*set, Numerics::kExact, got.f32), w, 0, w.rows, out);
    EXPECT_LT(relative_l2(y, expected.get("unit.q_a_proj_layer0.dequant").as<float>()), 1e-6);
  }
}

}  // namespace
}  // namespace fathom
