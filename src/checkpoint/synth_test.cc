#include "checkpoint/synth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/expected_tensors.h"
#include "checkpoint/synth_tokenizer.h"
#include "checkpoint/synth_values.h"
#include "io/faulty_file_system.h"
#include "tensor/float_formats.h"

namespace fathom {
namespace {

using testing::HasSubstr;

ModelConfig nano() {
  const std::string path = FATHOM_SOURCE_DIR "/tests/configs/nano.json";
  return ModelConfig::parse(io::read_file(path), path);
}

class SynthTest : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove_all(root_); }
  std::string dir(const std::string& name) const { return io::join(root_, name); }

  const std::string root_ = testing::TempDir() + "synth_test." + std::to_string(getpid());
};

TEST_F(SynthTest, HoldsWhatTheConfigAsksForInEveryShape) {
  ModelConfig config = nano();
  for (const bool fp8 : {true, false}) {
    for (const bool sparse : {true, false}) {
      const std::string path = dir(std::to_string(fp8) + std::to_string(sparse));
      synth_checkpoint(config, path, {.fp8 = fp8, .sparse = sparse, .shard_bytes = 300'000});
      const Checkpoint checkpoint = Checkpoint::open(path);
      EXPECT_GT(checkpoint.shards().size(), 3u);
      EXPECT_EQ(checkpoint.config().fp8, fp8);
      const auto problems = check_tensors(checkpoint.config(), checkpoint.tensors());
      EXPECT_TRUE(problems.empty()) << problems[0].tensor << " " << problems[0].message;
    }
  }
}

TEST_F(SynthTest, BytesFollowFromConfigAndSeedAlone) {
  const ModelConfig config = nano();
  synth_checkpoint(config, dir("a"), {.seed = 7, .threads = 1});
  synth_checkpoint(config, dir("b"), {.seed = 7, .threads = 2});
  synth_checkpoint(config, dir("c"), {.seed = 8, .threads = 2});
  const std::string file = "model-00001-of-00001.safetensors";
  EXPECT_TRUE(io::read_file(io::join(dir("a"), file)) == io::read_file(io::join(dir("b"), file)));
  EXPECT_FALSE(io::read_file(io::join(dir("a"), file)) == io::read_file(io::join(dir("c"), file)));
}

TEST_F(SynthTest, WeightsHaveTheVarianceThatKeepsActivationsAtOne) {
  synth_checkpoint(nano(), dir("a"), {});
  const Checkpoint checkpoint = Checkpoint::open(dir("a"));
  const TensorView& weight = checkpoint.get("model.layers.0.mlp.down_proj.weight");  // [128, 256]
  const TensorView& scale = checkpoint.get("model.layers.0.mlp.down_proj.weight_scale_inv");
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < weight.elements(); ++i) {
    const double x = e4m3_to_f32(weight.as<uint8_t>()[i]) * scale.as<float>()[i % 256 / 128];
    sum += x;
    squares += x * x;
  }
  const double count = static_cast<double>(weight.elements());
  EXPECT_NEAR(sum / count, 0, 0.002);
  EXPECT_NEAR(std::sqrt(squares / count), 1 / 16.0, 0.25 / 16);
}

TEST_F(SynthTest, RepeatsTheEmbeddingInTheMtpLayerAsPublished) {
  synth_checkpoint(nano(), dir("a"), {});
  const Checkpoint checkpoint = Checkpoint::open(dir("a"));
  const TensorView& main = checkpoint.get("model.embed_tokens.weight");
  const TensorView& mtp = checkpoint.get("model.layers.3.embed_tokens.weight");
  EXPECT_TRUE(std::equal(main.data, main.data + main.bytes, mtp.data));
}

TEST_F(SynthTest, PartsOfATensorAreThoseOfTheWhole) {
  const ExpectedTensor tensor{.name = "x", .shape = {100, 300}, .role = TensorRole::kExpert};
  for (const DType dtype : {DType::kF8E4M3, DType::kBF16, DType::kF32}) {
    const size_t size = dtype_size(dtype);
    const SynthValues values(tensor, dtype, 3);
    std::vector<std::byte> whole(30000 * size), part(10 * size);
    values.fill(0, whole);
    values.fill(2 * SynthValues::kGranule, part);
    EXPECT_TRUE(
        std::equal(part.begin(), part.end(), whole.begin() + 2 * SynthValues::kGranule * size));
  }
}

TEST_F(SynthTest, RefusesADirectoryThatHoldsAModel) {
  synth_checkpoint(nano(), dir("a"), {});
  try {
    synth_checkpoint(nano(), dir("a"), {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kConflict);
    EXPECT_THAT(error.what(), HasSubstr("holds a model already (config.json)"));
  }
}

TEST_F(SynthTest, RefusesADirectoryThatSomebodyWritesTo) {
  SynthOptions options;
  int refused = 0;
  options.progress = [&](uint64_t, uint64_t) {
    try {
      synth_checkpoint(nano(), dir("a"), {});
    } catch (const Error& error) {
      if (std::string(error.what()).find("is being written here") != std::string::npos) ++refused;
    }
  };
  synth_checkpoint(nano(), dir("a"), options);
  EXPECT_GT(refused, 0);
}

TEST_F(SynthTest, AFullDiskLeavesNoConfigAndNoHalfShard) {
  for (const bool honest : {true, false}) {
    io::FaultyFileSystem files;
    files.set_disk_bytes(1'000'000, honest);
    try {
      synth_checkpoint(nano(), dir("a"), {.threads = 2, .shard_bytes = 300'000}, files);
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kIo);
      EXPECT_THAT(error.what(), HasSubstr(honest ? "the disk is too full: 1.68 MB are needed"
                                                 : "No space left on device"));
    }
    for (const std::string& name : io::list_files(dir("a"))) {
      EXPECT_THAT(name, HasSubstr("model-0000"));
      EXPECT_TRUE(name.ends_with(".safetensors")) << name;
    }
  }
}

TEST(CutLayers, KeepsAMoeLayerWhereThereWasOne) {
  ModelConfig config = nano();
  config.first_k_dense_replace = 2;
  EXPECT_EQ(cut_layers(config, 2).first_k_dense_replace, 1);
  EXPECT_EQ(cut_layers(config, 1).first_k_dense_replace, 0);
  EXPECT_EQ(cut_layers(config, 3).first_k_dense_replace, 2);
  config.moe_layer_freq = 2;
  EXPECT_EQ(cut_layers(config, 3).first_k_dense_replace, 2);
  EXPECT_EQ(cut_layers(config, 2).first_k_dense_replace, 0);
  config.n_routed_experts = 0;
  EXPECT_EQ(cut_layers(config, 1).first_k_dense_replace, 1);
}

TEST(ByteTokenizer, GivesEachByteAndMarkItsOwnId) {
  ModelConfig config = nano();
  config.bos_token_id = 300;
  config.eos_token_id = 5;
  const auto json = nlohmann::json::parse(make_byte_tokenizer(config).tokenizer_json);
  std::set<int> ids;
  for (const auto& [text, id] : json["model"]["vocab"].items()) ids.insert(id.get<int>());
  EXPECT_EQ(ids.size(), 256u);
  for (const auto& token : json["added_tokens"]) ids.insert(token["id"].get<int>());
  EXPECT_EQ(ids.size(), 256u + 18u);
  EXPECT_EQ(json["added_tokens"][0]["id"], 300);
  EXPECT_EQ(json["added_tokens"][1]["id"], 5);
  EXPECT_TRUE(json["model"]["vocab"].contains("Ġ"));

  config.vocab_size = 256;
  EXPECT_EQ(make_byte_tokenizer(config).tokenizer_json, "");
}

}  // namespace
}  // namespace fathom
