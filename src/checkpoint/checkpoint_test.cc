#include "checkpoint/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "checkpoint/expected_tensors.h"

namespace fathom {
namespace {

const std::string kGolden = FATHOM_SOURCE_DIR "/tests/golden/model/";

TEST(Checkpoint, OpensAShardedFp8Model) {
  const Checkpoint checkpoint = Checkpoint::open(kGolden + "v3-tiny-fp8");
  EXPECT_EQ(checkpoint.config().hidden_size, 192);
  EXPECT_TRUE(checkpoint.config().fp8);
  EXPECT_EQ(checkpoint.shards().size(), 2u);
  const TensorView& weight = checkpoint.get("model.layers.1.mlp.experts.15.down_proj.weight");
  const TensorView& scale =
      checkpoint.get("model.layers.1.mlp.experts.15.down_proj.weight_scale_inv");
  EXPECT_EQ(weight.dtype, DType::kF8E4M3);
  EXPECT_THAT(weight.shape, testing::ElementsAre(192, 48));
  EXPECT_EQ(weight.shard, 0);
  EXPECT_EQ(scale.shard, 1);
  EXPECT_EQ(checkpoint.find("no.such.tensor"), nullptr);
}

TEST(Checkpoint, GoldensHoldWhatTheirConfigsAskFor) {
  for (const char* name : {"v3-tiny-fp8", "v3-tiny-bf16"}) {
    const Checkpoint checkpoint = Checkpoint::open(kGolden + name);
    const auto problems = check_tensors(checkpoint.config(), checkpoint.tensors());
    EXPECT_TRUE(problems.empty()) << problems[0].tensor << " " << problems[0].message;
    for (const TensorView& tensor : checkpoint.tensors()) {
      if (tensor.name.ends_with(kScaleSuffix)) check_scales(tensor, name);
    }
  }
}

}  // namespace
}  // namespace fathom
