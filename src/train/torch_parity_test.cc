// Losses and gradients of a tiny model against those that PyTorch made (tests/golden/training,
// written by scripts/torch/make_fixtures.py).
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "checkpoint/safetensors_file.h"
#include "io/file_system.h"
#include "train/net.h"

namespace fathom::train {
namespace {

const std::string kFolder = FATHOM_SOURCE_DIR "/tests/golden/training/";

template <typename T>
void expect_as_pytorch(const std::string& name) {
  const SafetensorsFile file = SafetensorsFile::open(kFolder + name + ".safetensors");
  const std::string path = kFolder + name + ".json";
  const ModelConfig config = ModelConfig::parse(io::read_file(path), path);
  const Layout layout(config);
  std::vector<T> params(static_cast<size_t>(layout.size)), grads(params.size(), T(0));
  for (const Param& p : layout.params) {
    const auto values = file.get(p.name).as<float>();
    ASSERT_EQ(std::ssize(values), p.size()) << p.name;
    std::copy(values.begin(), values.end(), params.begin() + p.offset);
  }
  std::vector<float> bias;
  for (const int64_t layer : layout.moe_layers) {
    const auto values =
        file.get(layer_prefix(layer) + "mlp.gate.e_score_correction_bias").as<float>();
    bias.insert(bias.end(), values.begin(), values.end());
  }
  MicroBatch batch;
  const TensorView& ids = file.get("ids");
  batch.batch = ids.shape[0];
  batch.seq = ids.shape[1] - 2;
  batch.ids = ids.as<int32_t>().data();
  if (file.find("mask")) batch.mask = file.get("mask").as<uint8_t>().data();
  if (file.find("segment")) batch.segment = file.get("segment").as<int32_t>().data();

  ThreadPool pool(2);
  Net<T> net(config, layout, pool, Precision::kF32);
  net.load(params.data(), bias.data());
  const LossSums sums = net.train(batch, {0.3, 0.2, 0.05}, grads.data(), nullptr);
  const auto losses = file.get("losses").as<double>();
  EXPECT_NEAR(sums.main, losses[0], 1e-5 * losses[0]);
  EXPECT_NEAR(sums.mtp, losses[1], 1e-5 * losses[1]);
  EXPECT_NEAR(sums.balance, losses[2], 1e-5 * losses[2]);
  for (const Param& p : layout.params) {
    const auto expected = file.get("gradient." + p.name).as<float>();
    double largest = 0;
    for (const float x : expected) largest = std::max(largest, std::fabs(double{x}));
    for (int64_t i = 0; i < p.size(); ++i) {
      ASSERT_NEAR(grads[p.offset + i], expected[i], 1e-5 * largest) << p.name << ", element " << i;
    }
  }
}

TEST(TorchParity, Float64) { expect_as_pytorch<double>("plain"); }
TEST(TorchParity, Float32) { expect_as_pytorch<float>("plain"); }
TEST(TorchParity, YarnMaskAndDocumentsInFloat64) { expect_as_pytorch<double>("documents"); }
TEST(TorchParity, YarnMaskAndDocumentsInFloat32) { expect_as_pytorch<float>("documents"); }

}  // namespace
}  // namespace fathom::train
