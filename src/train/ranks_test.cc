#include "train/ranks.h"

#include <gtest/gtest.h>

#include <barrier>
#include <cmath>
#include <cstring>
#include <functional>
#include <thread>

#include "base/rng.h"
#include "train/net.h"
#include "train/step_gradients.h"

namespace fathom::train {
namespace {

/// Ranks that are threads of this process.
class Together {
 public:
  explicit Together(int size) : size_(size), meet_(size), sent_(static_cast<size_t>(size)) {}

  void run(const std::function<void(Ranks&)>& body) {
    std::vector<std::thread> threads;
    for (int r = 0; r < size_; ++r) {
      threads.emplace_back([&, r] {
        Member member(*this, r);
        body(member);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }

 private:
  class Member final : public Ranks {
   public:
    Member(Together& all, int rank) : all_(all), rank_(rank) {}
    int rank() const override { return rank_; }
    int size() const override { return all_.size_; }
    void exchange(std::span<const Bytes> send, std::span<const Bytes> receive) override {
      all_.sent_[rank_] = send;
      all_.meet_.arrive_and_wait();
      for (int r = 0; r < all_.size_; ++r) {
        const Bytes from = all_.sent_[r][rank_];
        EXPECT_EQ(from.size(), receive[r].size());
        if (!from.empty()) std::memcpy(receive[r].data(), from.data(), from.size());
      }
      all_.meet_.arrive_and_wait();
    }

   private:
    Together& all_;
    int rank_;
  };

  int size_;
  std::barrier<> meet_;
  std::vector<std::span<const Ranks::Bytes>> sent_;
};

/// Values whose sum depends on the order.
std::vector<float> part(int64_t shard, int64_t n) {
  Rng rng(static_cast<uint64_t>(shard) + 1);
  std::vector<float> x(static_cast<size_t>(n));
  for (float& v : x) v = static_cast<float>(std::exp(8 * rng.normal()));
  return x;
}

TEST(Ranks, GatherKeepsTheRanksOrder) {
  Together(3).run([](Ranks& ranks) {
    const std::vector<int> all =
        gather_all(ranks, std::vector<int>(static_cast<size_t>(ranks.rank()), ranks.rank()));
    EXPECT_EQ(all, (std::vector<int>{1, 2, 2}));
    EXPECT_EQ(sum_all(ranks, std::vector<int>{ranks.rank(), 10}), (std::vector<int>{3, 30}));
  });
}

TEST(Ranks, ShardsAreSummedInOrderWhereverTheyLie) {
  ModelConfig config;
  config.num_hidden_layers = 1;
  config.num_nextn_predict_layers = 0;
  config.first_k_dense_replace = 1;
  config.hidden_size = config.intermediate_size = config.kv_lora_rank = 7;
  config.q_lora_rank = 5;
  config.num_attention_heads = 1;
  config.vocab_size = 11;
  const Layout layout(config);
  constexpr int64_t kShards = 5;
  std::vector<float> expected = part(0, layout.size);
  for (int64_t shard = 1; shard < kShards; ++shard) {
    const std::vector<float> x = part(shard, layout.size);
    for (size_t i = 0; i < x.size(); ++i) expected[i] += x[i];
  }
  for (const int size : {1, 2, 3, 5}) {
    Together(size).run([&](Ranks& ranks) {
      StepGradients grads(layout, ranks, kShards, false);
      for (int64_t i = 0; i < grads.shards(); ++i) {
        const std::vector<float> x = part(grads.first_shard() + i, layout.size);
        std::copy(x.begin(), x.end(), grads.begin(i)[0]);
      }
      const float* sum = grads.sum();
      EXPECT_TRUE(std::equal(expected.begin(), expected.end(), sum)) << size << " ranks";
    });
  }
}

ModelConfig small() {
  ModelConfig c;
  c.vocab_size = 19;
  c.hidden_size = 24;
  c.intermediate_size = 16;
  c.moe_intermediate_size = 12;
  c.num_hidden_layers = 2;
  c.num_nextn_predict_layers = 1;
  c.num_attention_heads = 2;
  c.n_routed_experts = 6;
  c.n_shared_experts = 1;
  c.num_experts_per_tok = 2;
  c.first_k_dense_replace = 1;
  c.n_group = 2;
  c.topk_group = 1;
  c.q_lora_rank = 8;
  c.kv_lora_rank = 8;
  c.qk_nope_head_dim = 4;
  c.qk_rope_head_dim = 4;
  c.v_head_dim = 8;
  c.max_position_embeddings = 64;
  return c;
}

/// One shard's gradients, each rank with a sequence of its own; summed, by the parameter's place.
std::vector<float> train(Ranks& ranks, bool divided, Precision precision) {
  const ModelConfig config = small();
  const Layout whole(config);
  const Layout layout(config, divided ? ExpertShare{ranks.rank(), ranks.size()} : ExpertShare{});
  std::vector<float> params(static_cast<size_t>(layout.size)), bias(2 * 6, 0.0f);
  for (const Param& p : layout.params) {
    Rng rng(static_cast<uint64_t>(p.place));
    for (int64_t i = 0; i < p.size(); ++i) {
      params[p.offset + i] =
          static_cast<float>((p.kind == ParamKind::kNorm ? 1 : 0) + 0.3 * rng.normal());
    }
  }
  constexpr int64_t kShards = 3, kSequence = 20;
  ThreadPool pool(1);
  Net<float> net(config, layout, pool, precision, divided ? &ranks : nullptr);
  net.load(params.data(), bias.data());
  StepGradients grads(layout, ranks, kShards, divided);
  for (int64_t i = 0; i < grads.shards(); ++i) {
    std::vector<int32_t> ids(kSequence + 2);
    Rng rng(static_cast<uint64_t>(grads.first_shard() + i));
    for (int32_t& id : ids) id = static_cast<int32_t>(rng.below(19));
    net.train({1, kSequence, ids.data(), nullptr, nullptr}, {0.05, 0.02, 0.01}, grads.begin(i),
              nullptr);
  }
  const float* sum = grads.sum();
  std::vector<float> by_place(static_cast<size_t>(whole.size), 0.0f);
  for (const Param& p : layout.params) {
    std::copy_n(sum + p.offset, p.size(), by_place.begin() + p.place);
  }
  return by_place;
}

TEST(Ranks, DividedExpertsHaveTheSameGradients) {
  for (const Precision precision : {Precision::kF32, Precision::kBF16, Precision::kFP8}) {
    SoleRank alone;
    const std::vector<float> expected = train(alone, false, precision);
    std::vector<std::vector<float>> found(3);
    Together(3).run([&](Ranks& ranks) { found[ranks.rank()] = train(ranks, true, precision); });
    // Every rank has what is not divided, and its own experts.
    std::vector<int> holders(expected.size(), 0);
    for (int r = 0; r < 3; ++r) {
      for (const Param& p : Layout(small(), {r, 3}).params) {
        for (int64_t i = p.place; i < p.place + p.size(); ++i) {
          ASSERT_EQ(found[r][i], expected[i]) << p.name << " on rank " << r;
          ++holders[i];
        }
      }
    }
    for (const Param& p : Layout(small()).params) {
      EXPECT_EQ(holders[p.place], p.routed ? 1 : 3) << p.name;
    }
  }
}

}  // namespace
}  // namespace fathom::train
