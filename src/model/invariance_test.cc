// The promise: a token's logits depend on the tokens before it and on nothing else, to the last
// bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <tuple>

#include "base/rng.h"
#include "model/transformer.h"

namespace fathom {
namespace {

constexpr int64_t kVocab = 256;

std::vector<int32_t> random_tokens(uint64_t seed, size_t count) {
  Rng rng(seed);
  std::vector<int32_t> tokens(count);
  for (int32_t& token : tokens) token = static_cast<int32_t>(rng.below(kVocab));
  return tokens;
}

using Way = std::tuple<Numerics, const Kernels*>;

// All that threads can share out is, however little it is.
Transformer open(const Way& way, int threads, bool move_weights = false,
                 std::vector<NumaNode> nodes = {}, double worth_sharing_ns = 0) {
  const std::string dir = FATHOM_SOURCE_DIR "/tests/golden/model/v3-tiny-fp8";
  return Transformer(ModelWeights::load(Checkpoint::open(dir)),
                     {.numerics = std::get<0>(way),
                      .threads = threads,
                      .kernels = std::get<1>(way),
                      .move_weights = move_weights,
                      .nodes = std::move(nodes),
                      .worth_sharing_ns = worth_sharing_ns});
}

std::vector<float> copy(Mat<const float> rows) {
  std::vector<float> out;
  for (int64_t r = 0; r < rows.rows; ++r) {
    out.insert(out.end(), rows.row_span(r).begin(), rows.row_span(r).end());
  }
  return out;
}

// All logits of a prompt, run alone in steps of `chunk` tokens.
std::vector<float> run_alone(Transformer& model, std::span<const int32_t> tokens, size_t chunk) {
  SequencePages pages(model);
  std::vector<float> all;
  for (size_t start = 0; start < tokens.size(); start += chunk) {
    const auto part = tokens.subspan(start, std::min(chunk, tokens.size() - start));
    const auto end = static_cast<int64_t>(start + part.size());
    const StepSequence step{part, static_cast<int64_t>(start), pages.reserve(end),
                            static_cast<int64_t>(part.size())};
    const std::vector<float> logits = copy(model.forward({&step, 1}).logits);
    all.insert(all.end(), logits.begin(), logits.end());
  }
  return all;
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

class Invariance : public testing::TestWithParam<Way> {};

TEST_P(Invariance, ChunksAndThreads) {
  const auto tokens = random_tokens(1, 150);  // past two pages
  Transformer one = open(GetParam(), 1);
  const std::vector<float> whole = run_alone(one, tokens, tokens.size());
  for (size_t chunk : {size_t{1}, size_t{7}, size_t{64}, size_t{100}}) {
    EXPECT_TRUE(same_bits(run_alone(one, tokens, chunk), whole)) << "chunks of " << chunk;
  }
  for (int threads : {2, 5}) {
    Transformer many = open(GetParam(), threads);
    Transformer some = open(GetParam(), threads, false, {}, 2000);
    EXPECT_TRUE(same_bits(run_alone(many, tokens, 33), whole)) << threads << " threads";
    EXPECT_TRUE(same_bits(run_alone(some, tokens, 33), whole)) << threads << " threads, some work";
  }
}

TEST_P(Invariance, BatchMates) {
  Transformer model = open(GetParam(), 2);
  const auto tokens = random_tokens(2, 70);
  const std::vector<float> alone = run_alone(model, tokens, tokens.size());

  // The same sequence token by token among 64 others of other lengths.
  std::vector<std::vector<int32_t>> others;
  std::vector<SequencePages> pages;
  for (int i = 0; i < 65; ++i) pages.emplace_back(model);
  for (uint64_t i = 0; i < 64; ++i) others.push_back(random_tokens(100 + i, 1 + i % 3));
  const size_t start = 60;
  const StepSequence prefix{std::span(tokens).first(start), 0, pages[64].reserve(start), 0};
  model.forward({&prefix, 1});
  for (size_t at = start; at < tokens.size(); ++at) {
    std::vector<StepSequence> batch;
    for (size_t i = 0; i < others.size(); ++i) {
      batch.push_back({others[i], 0, pages[i].reserve(8), 1});
    }
    const auto position = static_cast<int64_t>(at);
    batch.insert(batch.begin() + static_cast<ptrdiff_t>(at % 65),
                 {std::span(tokens).subspan(at, 1), position, pages[64].reserve(position + 1), 1});
    const auto row = model.forward(batch).logits.row_span(static_cast<int64_t>(at % 65));
    EXPECT_TRUE(same_bits(row, std::span(alone).subspan(at * kVocab, kVocab))) << "token " << at;
  }
}

TEST_P(Invariance, RejectedDraftsLeaveNoTrace) {
  Transformer model = open(GetParam(), 2);
  const auto tokens = random_tokens(3, 80);
  const std::vector<float> alone = run_alone(model, tokens, tokens.size());

  // Positions 60 to 63 are first filled with wrong guesses, then written again.
  SequencePages pages(model);
  std::vector<int32_t> guess(tokens.begin(), tokens.begin() + 64);
  for (size_t i = 60; i < 64; ++i) guess[i] = (guess[i] + 1) % static_cast<int32_t>(kVocab);
  const StepSequence drafted{guess, 0, pages.reserve(64), 4};
  model.forward({&drafted, 1});
  const StepSequence again{std::span(tokens).subspan(60), 60, pages.reserve(80), 20};
  EXPECT_TRUE(
      same_bits(copy(model.forward({&again, 1}).logits), std::span(alone).subspan(60 * kVocab)));
}

// A prompt's pass, between whose layers another sequence decodes and a third one's pass is dropped.
TEST_P(Invariance, PassesInPieces) {
  Transformer model = open(GetParam(), 2);
  const auto prompt = random_tokens(7, 90), stream = random_tokens(8, 40);
  const std::vector<float> alone = run_alone(model, prompt, prompt.size());
  const std::vector<float> stream_alone = run_alone(model, stream, stream.size());
  SequencePages pages(model), stream_pages(model), dropped_pages(model);
  const StepSequence dropped{stream, 0, dropped_pages.reserve(40), 1};
  model.begin({&dropped, 1});
  EXPECT_FALSE(model.advance());

  size_t at = 0;
  const auto decode = [&] {
    const auto position = static_cast<int64_t>(at);
    const StepSequence step{std::span(stream).subspan(at, 1), position,
                            stream_pages.reserve(position + 1), 1};
    const auto row = model.forward({&step, 1}).logits.row_span(0);
    EXPECT_TRUE(same_bits(row, std::span(stream_alone).subspan(at * kVocab, kVocab))) << at;
    ++at;
  };
  std::vector<float> logits;
  for (size_t start : {size_t{0}, size_t{50}}) {
    const auto part = std::span(prompt).subspan(start, start == 0 ? 50 : 40);
    const auto end = static_cast<int64_t>(start + part.size());
    const StepSequence step{part, static_cast<int64_t>(start), pages.reserve(end),
                            std::ssize(part)};
    model.begin({&step, 1});
    std::optional<StepOutput> output;
    while (!(output = model.advance())) decode();
    const std::vector<float> some = copy(output->logits);
    logits.insert(logits.end(), some.begin(), some.end());
  }
  EXPECT_TRUE(same_bits(logits, alone));
  EXPECT_GT(at, 2u);
}

/// Rows of the last layer in the passes seen.
struct LastLayer : ForwardObserver {
  explicit LastLayer(int64_t layers) : layer(layers - 1) {}
  void on_hidden(int64_t at, Mat<const float> hidden) override {
    if (at == layer) rows += hidden.rows;
  }
  int64_t layer, rows = 0;
};

// The last layer computes what is wanted of it, and that is the same as ever.
TEST_P(Invariance, HiddenStatesThatNobodyWants) {
  Transformer model = open(GetParam(), 2);
  const auto tokens = random_tokens(9, 100), other = random_tokens(10, 30);
  const std::vector<float> whole = run_alone(model, tokens, tokens.size());
  const std::vector<float> whole_other = run_alone(model, other, other.size());
  LastLayer last(model.config().num_hidden_layers);
  model.set_observer(&last);
  SequencePages pages(model), other_pages(model);
  const StepSequence first{std::span(tokens).first(60), 0, pages.reserve(60), 0, false};
  EXPECT_EQ(model.forward({&first, 1}).logits.rows, 0);
  EXPECT_EQ(last.rows, 0);

  const StepSequence batch[] = {{std::span(tokens).subspan(60), 60, pages.reserve(100), 3, false},
                                {other, 0, other_pages.reserve(30), 2, true}};
  const StepOutput output = model.forward(batch);
  EXPECT_EQ(last.rows, 3 + 30);
  const std::vector<float> logits = copy(output.logits);
  EXPECT_TRUE(same_bits(std::span(logits).first(3 * kVocab), std::span(whole).last(3 * kVocab)));
  EXPECT_TRUE(
      same_bits(std::span(logits).last(2 * kVocab), std::span(whole_other).last(2 * kVocab)));

  // Of the other sequence hidden states too.
  const std::vector<float> hidden = copy(output.hidden.rows_from(40, 30));
  const StepSequence alone{other, 0, other_pages.reserve(30), 0};
  EXPECT_TRUE(same_bits(hidden, copy(model.forward({&alone, 1}).hidden)));
}

// Steps while the weights are on their way from the mapping into panels, and after.
TEST_P(Invariance, MovingWeights) {
  const auto tokens = random_tokens(4, 90);
  Transformer still = open(GetParam(), 2);
  const std::vector<float> mapped = run_alone(still, tokens, 9);
  for (int repetition = 0; repetition < 5; ++repetition) {
    Transformer moving = open(GetParam(), 2, true);
    EXPECT_TRUE(same_bits(run_alone(moving, tokens, 3), mapped)) << "while they move";
    moving.await_weights();
    const WeightMoveStatus status = moving.weight_move();
    EXPECT_TRUE(status.finished);
    EXPECT_GT(status.total_bytes, 0u);
    EXPECT_EQ(status.moved_bytes, status.total_bytes);
    EXPECT_TRUE(same_bits(run_alone(moving, tokens, 30), mapped)) << "in their new place";
  }
}

// Where threads and weights lie changes who computes what, and nothing else.
TEST_P(Invariance, NumaNodes) {
  const auto tokens = random_tokens(6, 70);
  Transformer one = open(GetParam(), 1);
  const std::vector<float> whole = run_alone(one, tokens, 23);
  for (int threads : {2, 3, 6}) {
    Transformer spread = open(GetParam(), threads, true, {{0, {0}}, {1, {1, 2}}});
    spread.await_weights();
    EXPECT_TRUE(same_bits(run_alone(spread, tokens, 23), whole)) << threads << " threads";
  }
}

TEST(WeightMove, EndsInTheMiddle) {
  for (int i = 0; i < 20; ++i) open({Numerics::kNative, nullptr}, 1, true);
}

// Past the part of attention that is computed from nothing and then merged (1,024 positions): one
// row's parts are shared out over threads where a prompt's are not.
TEST_P(Invariance, LongContext) {
  const auto tokens = random_tokens(5, 1040);
  Transformer one = open(GetParam(), 1), three = open(GetParam(), 3);
  const std::vector<float> whole = run_alone(one, tokens, tokens.size());
  SequencePages pages(three);
  const StepSequence prompt{std::span(tokens).first(1020), 0, pages.reserve(1020), 0};
  three.forward({&prompt, 1});
  for (size_t at = 1020; at < tokens.size(); ++at) {
    const auto position = static_cast<int64_t>(at);
    const StepSequence step{std::span(tokens).subspan(at, 1), position, pages.reserve(position + 1),
                            1};
    const auto row = three.forward({&step, 1}).logits.row_span(0);
    EXPECT_TRUE(same_bits(row, std::span(whole).subspan(at * kVocab, kVocab))) << "token " << at;
  }
}

std::vector<const Kernels*> fast_kernels() {
  const auto all = runnable_kernels();
  std::vector<const Kernels*> sets(all.begin(), all.end());
  std::erase(sets, &ref_kernels());
  return sets;
}

std::string way_name(const testing::TestParamInfo<Way>& info) {
  const auto& [numerics, set] = info.param;
  return std::string(numerics_name(numerics)) + "_" + set->name;
}

INSTANTIATE_TEST_SUITE_P(Ways, Invariance,
                         testing::Combine(testing::Values(Numerics::kNative, Numerics::kExact,
                                                          Numerics::kW8A8, Numerics::kInt8),
                                          testing::ValuesIn(fast_kernels())),
                         way_name);

}  // namespace
}  // namespace fathom
