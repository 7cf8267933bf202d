#include "engine/prefill_pass.h"

#include <gtest/gtest.h>

#include "engine/testing/fake_model.h"

namespace fathom::engine {
namespace {

/// Sequences with pages of their own, and a pass over their prompts. A piece of one row takes 1 s.
struct Bench {
  VirtualClock clock;
  FakeModel model{{.clock = &clock, .pass_seconds = 0, .row_seconds = 7}};
  cache::PagePool pool{model.page_bytes(), 64 * model.page_bytes()};
  PrefillPass pass{model, clock};
  std::vector<std::unique_ptr<Sequence>> sequences;

  Work add(int64_t tokens) {
    auto sequence = std::make_unique<Sequence>();
    for (int64_t i = 0; i < tokens; ++i) {
      sequence->tokens.push_back(static_cast<int32_t>(std::ssize(sequences) + i) % 90);
      if (i % kPageTokens == 0) sequence->pages.push_back(pool.allocate());
    }
    sequences.push_back(std::move(sequence));
    return {sequences.back().get(), tokens};
  }
};

TEST(PrefillPass, GoesOnByThePiecesThatFit) {
  Bench bench;
  bench.pass.begin({bench.add(2)});
  EXPECT_FALSE(bench.pass.advance(0.1));  // what a piece takes is not known
  EXPECT_EQ(bench.pass.seconds(), 2);
  EXPECT_FALSE(bench.pass.advance(4.1));
  EXPECT_EQ(bench.pass.seconds(), 6);
  const auto output = bench.pass.advance(100);
  ASSERT_TRUE(output);
  EXPECT_EQ(output->logits.rows, 1);
  EXPECT_EQ(bench.pass.seconds(), 14);
  EXPECT_EQ(bench.pass.layer_seconds(), 4);
  EXPECT_TRUE(bench.pass.under_way());
  bench.pass.drop();
  EXPECT_FALSE(bench.pass.under_way());
  EXPECT_FALSE(bench.sequences[0]->in_prefill);
}

TEST(PrefillPass, IsLeftOutWhereNothingFitsButNotForever) {
  Bench bench;
  bench.pass.begin({bench.add(2)});
  bench.pass.advance(4);
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 3; ++i) bench.pass.advance(1.9);
    EXPECT_EQ(bench.pass.seconds(), 4 + 2 * round);
    bench.pass.advance(-1);
    EXPECT_EQ(bench.pass.seconds(), 6 + 2 * round);
  }
}

TEST(PrefillPass, GuessesFromTheLastPass) {
  Bench bench;
  bench.pass.begin({bench.add(2)});
  while (!bench.pass.advance(100)) {
  }
  bench.pass.drop();
  bench.pass.begin({bench.add(6)});
  bench.pass.advance(5.9);
  EXPECT_EQ(bench.pass.seconds(), 0);
  bench.pass.advance(6.1);
  EXPECT_EQ(bench.pass.seconds(), 6);
}

TEST(PrefillPass, OtherPassesInBetweenChangeNothing) {
  Bench bench;
  const Work work = bench.add(100), other = bench.add(70);
  bench.pass.begin({work});
  const Batch between({&other, 1});
  std::optional<StepOutput> output;
  while (!(output = bench.pass.advance(-1))) bench.model.forward(between.steps);
  const std::vector<float> logits(output->logits.data, output->logits.data + output->logits.cols);
  EXPECT_EQ(logits, bench.model.logits_after(work.sequence->tokens));
}

TEST(PrefillPass, ForgetsOneAndGoesOnForTheOthers) {
  Bench bench;
  const Work gone = bench.add(10), stays = bench.add(20);
  bench.pass.begin({gone, stays});
  bench.pass.advance(0.1);
  bench.pass.forget(*gone.sequence);
  gone.sequence->pages.clear();
  // Whoever takes a page now does not get one that the pass still writes to.
  const cache::PageRef taken = bench.pool.allocate();
  std::optional<StepOutput> output;
  while (!(output = bench.pass.advance(100))) {
  }
  EXPECT_EQ(*reinterpret_cast<const uint64_t*>(taken.data()), 0u);
  EXPECT_EQ(std::ssize(bench.pass.wanted()), 1);
  EXPECT_EQ(bench.pass.tokens(), 30);
  const std::vector<float> last(output->logits.row(1), output->logits.row(1) + output->logits.cols);
  EXPECT_EQ(last, bench.model.logits_after(stays.sequence->tokens));
}

TEST(PrefillPass, EndsWithTheLastOneThatWantsIt) {
  Bench bench;
  const int64_t held = bench.pool.in_use();
  const Work work = bench.add(100);
  bench.pass.begin({work});
  bench.pass.forget(*work.sequence);
  work.sequence->pages.clear();
  EXPECT_FALSE(bench.pass.under_way());
  EXPECT_EQ(bench.pool.in_use(), held);
}

TEST(PrefillPass, IsNotUnderWayAfterAPromptThatTheModelRefuses) {
  Bench bench;
  FakeModel picky({.poison = 3});
  PrefillPass pass(picky, bench.clock);
  EXPECT_THROW(pass.begin({bench.add(10)}), Error);
  EXPECT_FALSE(pass.under_way());
  EXPECT_FALSE(bench.sequences[0]->in_prefill);
}

}  // namespace
}  // namespace fathom::engine
