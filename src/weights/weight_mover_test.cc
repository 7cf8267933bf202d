#include "weights/weight_mover.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "checkpoint/synth.h"
#include "io/file_system.h"
#include "tensor/buffer.h"
#include "weights/int8_weights.h"

namespace fathom {
namespace {

ModelWeights load() {
  return ModelWeights::load(Checkpoint::open(FATHOM_SOURCE_DIR "/tests/golden/model/v3-tiny-fp8"));
}

// The panels' bytes as the set writes them from the mapped matrix.
Buffer packed(const WeightView& w) {
  const int64_t row_bytes = w.cols * static_cast<int64_t>(dtype_size(w.dtype));
  Buffer bytes(packed_bytes(w.rows, row_bytes));
  for (int64_t p = 0; p < ceil_div(w.rows, kPanelRows); ++p) {
    kernels().pack_panel(w, p, bytes.data() + static_cast<size_t>(p) * panel_bytes(row_bytes));
  }
  return bytes;
}

TEST(WeightMover, EveryProductsMatrixTurnsIntoItsPanels) {
  const ModelWeights before = load();
  ModelWeights weights = load();
  // As if of two nodes, of which this machine may lack the second.
  WeightMover mover(weights, kernels(), NumaPlan(3, {{0, {0}}, {1, {1, 2}}}));
  mover.wait();
  const auto same = [&](const WeightView& mapped, const WeightView& moved) {
    ASSERT_EQ(moved.layout, WeightLayout::kPanels);
    const auto want = packed(mapped);
    EXPECT_EQ(std::memcmp(moved.data, want.data(), want.size()), 0);
    EXPECT_EQ(moved.scale == nullptr, mapped.scale == nullptr);
    EXPECT_EQ(moved.finite, moved.dtype == DType::kF8E4M3 && !holds_nan(want.span<std::byte>()));
  };
  same(before.head, weights.head);
  for (size_t i = 0; i < weights.layers.size(); ++i) {
    const LayerWeights &old = before.layers[i], &now = weights.layers[i];
    same(old.attention.q_b, now.attention.q_b);
    same(old.attention.o, now.attention.o);
    if (now.mlp) same(old.mlp->down, now.mlp->down);
    if (!now.moe) continue;
    same(old.moe->router, now.moe->router);
    for (size_t e = 0; e < now.moe->experts.size(); ++e) {
      same(old.moe->experts[e].gate, now.moe->experts[e].gate);
      same(old.moe->experts[e].down, now.moe->experts[e].down);
    }
  }
  EXPECT_EQ(weights.embed.layout, WeightLayout::kRowMajor);
  EXPECT_EQ(weights.layers[0].attention.kv_b.layout, WeightLayout::kRowMajor);
}

TEST(WeightMover, LargeHeadsGetAnOutline) {
  const ModelWeights before = load();
  ModelWeights weights = load();
  const WeightView& head = before.head;
  WeightMover mover(weights, kernels(), NumaPlan(3, {{0, {0}}, {1, {1, 2}}}),
                    head.rows * head.cols);
  mover.wait();
  Buffer memory(outline_bytes(head));
  OutlineBuilder builder(head, memory.data());
  for (int64_t p = 0; p < ceil_div(head.rows, kPanelRows); ++p) builder.add_panel(p);
  const HeadOutline want = builder.outline(), found = weights.head_outline;
  ASSERT_TRUE(found);
  EXPECT_EQ(std::memcmp(found.codes.data, want.codes.data, int8_packed_bytes(head.rows, head.cols)),
            0);
  EXPECT_TRUE(std::ranges::equal(found.norm, want.norm));
  EXPECT_TRUE(std::ranges::equal(found.lost, want.lost));
  for (const MtpWeights& mtp : weights.mtp) EXPECT_TRUE(mtp.head_outline);

  ModelWeights others = load();
  WeightMover none(others, kernels(), NumaPlan(1, numa_nodes()), head.rows * head.cols + 1);
  none.wait();
  EXPECT_FALSE(others.head_outline);
}

// What a pass sees stays while it lasts.
TEST(WeightMover, ViewsStayDuringAPass) {
  ModelWeights weights = load();
  WeightMover mover(weights, kernels(), NumaPlan(1, numa_nodes()));
  {
    const WeightMover::Pass pass(mover);
    const uint64_t moved = mover.status().moved_bytes;
    const WeightView head = weights.head;
    usleep(20'000);
    EXPECT_EQ(weights.head.data, head.data);
    EXPECT_EQ(mover.status().moved_bytes, moved);
  }
  mover.wait();
  EXPECT_EQ(mover.status().moved_bytes, mover.status().total_bytes);
}

// Whether the page is in this process's memory: bit 63 of its entry.
bool present(const std::byte* address) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  FILE* pagemap = std::fopen("/proc/self/pagemap", "rb");
  uint64_t entry = 0;
  std::fseek(pagemap, static_cast<long>(reinterpret_cast<uintptr_t>(address) / page * sizeof entry),
             SEEK_SET);
  EXPECT_EQ(std::fread(&entry, sizeof entry, 1, pagemap), 1u);
  std::fclose(pagemap);
  return entry >> 63;
}

// Not a second copy: what has moved, or was regrouped, leaves its old place.
TEST(WeightMover, OldPagesLeave) {
  const std::string path = FATHOM_SOURCE_DIR "/tests/golden/model/v3-tiny-bf16/config.json";
  ModelConfig config = ModelConfig::parse(io::read_file(path), path);
  config.vocab_size = 8192;
  const auto dir =
      std::filesystem::temp_directory_path() / ("fathom-mover-" + std::to_string(getpid()));
  SynthOptions options;
  options.fp8 = false;
  synth_checkpoint(config, dir.string(), options);
  for (const bool int8 : {false, true}) {
    ModelWeights weights = ModelWeights::load(Checkpoint::open(dir.string()));
    const auto* old = static_cast<const std::byte*>(weights.head.data);
    const size_t middle = weights.head.bytes() / 2;
    ASSERT_GT(middle, size_t{256} << 10);
    const volatile std::byte touched = old[middle];
    static_cast<void>(touched);
    EXPECT_TRUE(present(old + middle));
    if (int8) {
      ThreadPool pool(1);
      const Int8Weights regrouped(weights, kernels(), pool, nullptr);
      EXPECT_FALSE(present(old + middle));
    } else {
      WeightMover mover(weights, kernels(), NumaPlan(1, numa_nodes()));
      mover.wait();
      EXPECT_FALSE(present(old + middle));
    }
  }
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace fathom
