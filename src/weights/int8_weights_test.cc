#include "weights/int8_weights.h"

#include <gtest/gtest.h>

#include <cstring>

namespace fathom {
namespace {

ModelWeights load() {
  return ModelWeights::load(Checkpoint::open(FATHOM_SOURCE_DIR "/tests/golden/model/v3-tiny-fp8"));
}

void expect_packed(const WeightView& from, const WeightView& now) {
  ASSERT_EQ(now.layout, WeightLayout::kPanels);
  ASSERT_EQ(now.dtype, DType::kI8);
  EXPECT_EQ(now.rows, from.rows);
  EXPECT_EQ(now.cols, from.cols);
  const size_t panel = int8_panel_bytes(from.cols);
  std::vector<std::byte> want(panel);
  for (int64_t p = 0; p < ceil_div(from.rows, kPanelRows); ++p) {
    pack_int8_panel(from, p, want.data());
    EXPECT_EQ(std::memcmp(static_cast<const std::byte*>(now.data) + static_cast<size_t>(p) * panel,
                          want.data(), panel),
              0);
  }
}

TEST(Int8Weights, EveryProductsMatrixButTheRouters) {
  const ModelWeights before = load();
  ModelWeights weights = load();
  ThreadPool pool(2);
  uint64_t last = 0, total = 0;
  const Int8Weights int8(weights, kernels(), pool, [&](uint64_t done, uint64_t all) {
    EXPECT_GT(done, last);
    last = done;
    total = all;
  });
  EXPECT_EQ(last, int8.bytes());
  EXPECT_EQ(total, int8.bytes());
  expect_packed(before.head, weights.head);
  for (size_t i = 0; i < weights.layers.size(); ++i) {
    const LayerWeights &old = before.layers[i], &now = weights.layers[i];
    expect_packed(old.attention.q_b, now.attention.q_b);
    expect_packed(old.attention.kv_a, now.attention.kv_a);
    expect_packed(old.attention.o, now.attention.o);
    EXPECT_EQ(now.attention.kv_b.data == nullptr, old.attention.kv_b.data == nullptr);
    EXPECT_EQ(now.attention.kv_b.layout, WeightLayout::kRowMajor);
    if (now.mlp) expect_packed(old.mlp->down, now.mlp->down);
    if (!now.moe) continue;
    EXPECT_EQ(now.moe->router.dtype, old.moe->router.dtype);
    EXPECT_EQ(now.moe->router.layout, WeightLayout::kPanels);
    for (size_t e = 0; e < now.moe->experts.size(); ++e) {
      expect_packed(old.moe->experts[e].up, now.moe->experts[e].up);
      expect_packed(old.moe->experts[e].down, now.moe->experts[e].down);
    }
  }
  EXPECT_EQ(weights.embed.layout, WeightLayout::kRowMajor);
}

TEST(Int8Weights, ViewsOfOneMatrixStayOne) {
  ModelWeights weights = load();
  ASSERT_FALSE(weights.mtp.empty());
  weights.mtp[0].head = weights.head;
  ThreadPool pool(1);
  const Int8Weights int8(weights, kernels(), pool, nullptr);
  EXPECT_EQ(weights.mtp[0].head.data, weights.head.data);
}

}  // namespace
}  // namespace fathom
