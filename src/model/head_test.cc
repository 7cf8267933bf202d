#include "model/head.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "checkpoint/synth.h"
#include "io/file_system.h"
#include "model/transformer.h"

namespace fathom {
namespace {

constexpr int64_t kVocab = 16'003;  // many panels, the last one not whole
constexpr int64_t kMost = Head::kOutlinedRows;
constexpr float kNone = -std::numeric_limits<float>::infinity();

/// Chooses the id that looks largest and the last two, or every id, and keeps what it was shown.
class Recorder final : public LogitChoice {
 public:
  explicit Recorder(bool all = false) : all_(all) {}

  void choose(int64_t row, std::span<const float> estimate, std::span<const float> margin,
              std::vector<int32_t>& ids) const override {
    EXPECT_EQ(row, std::ssize(rows));
    Row& shown = rows.emplace_back();
    shown.estimate.assign(estimate.begin(), estimate.end());
    shown.margin.assign(margin.begin(), margin.end());
    const auto best = std::ranges::max_element(estimate) - estimate.begin();
    for (int64_t v = 0; v < std::ssize(estimate); ++v) {
      if (all_ || v == best || v + 2 >= std::ssize(estimate)) {
        shown.ids.push_back(static_cast<int32_t>(v));
      }
    }
    ids.insert(ids.end(), shown.ids.begin(), shown.ids.end());
  }

  struct Row {
    std::vector<float> estimate, margin;
    std::vector<int32_t> ids;
  };
  mutable std::vector<Row> rows;

 private:
  const bool all_;
};

// A small model with it.
class HeadTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    directory_ =
        std::filesystem::temp_directory_path() / ("fathom-head-" + std::to_string(getpid()));
    const std::string path = FATHOM_SOURCE_DIR "/tests/golden/model/v3-tiny-fp8/config.json";
    ModelConfig config = ModelConfig::parse(io::read_file(path), path);
    config.vocab_size = kVocab;
    synth_checkpoint(config, directory_.string(), {});
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(directory_); }

  static std::unique_ptr<Transformer> open(Numerics numerics, const Kernels* kernels, int threads,
                                           bool outlined) {
    const TransformerOptions options{.numerics = numerics,
                                     .threads = threads,
                                     .kernels = kernels,
                                     .move_weights = true,
                                     .worth_sharing_ns = 0,
                                     .outlined_weights = outlined ? 1 : WeightMover::kNoOutlines};
    auto model = std::make_unique<Transformer>(
        ModelWeights::load(Checkpoint::open(directory_.string())), options);
    model->await_weights();
    return model;
  }

  /// The last `rows` of a prompt of random tokens.
  static Mat<const float> run(Transformer& model, int64_t rows, const LogitChoice* choice) {
    SequencePages pages(model);
    Rng rng(5);
    std::vector<int32_t> tokens(20);
    for (int32_t& token : tokens) token = static_cast<int32_t>(rng.below(kVocab));
    const StepSequence step{tokens, 0, pages.reserve(20), rows, true, choice};
    return model.forward({&step, 1}).logits;
  }

  static inline std::filesystem::path directory_;
};

void expect_same(std::span<const float> a, std::span<const float> b) {
  EXPECT_EQ(std::memcmp(a.data(), b.data(), a.size_bytes()), 0);
}

TEST_F(HeadTest, ChosenLogitsAreExactAndTheOthersNone) {
  for (const Kernels* kernels : runnable_kernels()) {
    for (const Numerics numerics : {Numerics::kNative, Numerics::kExact, Numerics::kW8A8}) {
      SCOPED_TRACE(testing::Message() << kernels->name << " " << numerics_name(numerics));
      const auto plain = open(numerics, kernels, 1, false);
      const auto model = open(numerics, kernels, 3, true);
      for (const int64_t rows : {int64_t{1}, kMost}) {
        const Recorder choice;
        const Mat<const float> some = run(*model, rows, &choice);
        const Mat<const float> all = run(*plain, rows, nullptr);
        ASSERT_EQ(std::ssize(choice.rows), rows);
        for (int64_t r = 0; r < rows; ++r) {
          const Recorder::Row& shown = choice.rows[static_cast<size_t>(r)];
          std::vector<float> want(kVocab, kNone);
          for (const int32_t id : shown.ids) want[id] = all.row(r)[id];
          expect_same(some.row_span(r), want);
          for (int64_t v = 0; v < kVocab; ++v) {
            ASSERT_LE(std::abs(all.row(r)[v] - shown.estimate[v]), shown.margin[v]);
          }
        }
      }
    }
  }
}

TEST_F(HeadTest, AllAreExactWhereThatIsCheaperOrWanted) {
  const auto plain = open(Numerics::kNative, nullptr, 2, false);
  const auto model = open(Numerics::kNative, nullptr, 2, true);
  const auto expect_all = [&](int64_t rows, const LogitChoice* choice) {
    const Mat<const float> found = run(*model, rows, choice), want = run(*plain, rows, nullptr);
    for (int64_t r = 0; r < rows; ++r) expect_same(found.row_span(r), want.row_span(r));
  };
  EXPECT_TRUE(model->outlines(kMost) && !model->outlines(kMost + 1) && !plain->outlines(1));
  const Recorder largest, every(true);
  expect_all(1, nullptr);
  expect_all(kMost + 1, &largest);
  EXPECT_TRUE(largest.rows.empty());
  expect_all(2, &every);
  EXPECT_EQ(every.rows.size(), 2u);
  // For a while nothing is tried.
  for (int pass = 0; pass < 15; ++pass) expect_all(2, &largest);
  EXPECT_TRUE(largest.rows.empty());
  run(*model, 2, &largest);
  EXPECT_EQ(largest.rows.size(), 2u);
}

// One that needs all logits has the others get theirs as well.
TEST_F(HeadTest, ABatchIsChosenFromWhereAllOfItIs) {
  const auto plain = open(Numerics::kNative, nullptr, 2, false);
  const auto model = open(Numerics::kNative, nullptr, 2, true);
  const Recorder choice;
  const std::vector<int32_t> tokens = {1, 2, 3};
  const auto logits = [&](Transformer& of, const LogitChoice* first, const LogitChoice* second) {
    SequencePages one(of), two(of);
    const StepSequence steps[] = {{tokens, 0, one.reserve(3), 1, true, first},
                                  {std::span(tokens).first(2), 0, two.reserve(2), 1, true, second}};
    const Mat<const float> found = of.forward(steps).logits;
    return std::vector<float>(found.data, found.data + 2 * found.cols);
  };
  const std::vector<float> all = logits(*plain, nullptr, nullptr);
  EXPECT_EQ(logits(*model, &choice, nullptr), all);
  EXPECT_TRUE(choice.rows.empty());
  const Recorder other;
  EXPECT_NE(logits(*model, &choice, &other), all);
  EXPECT_EQ(choice.rows.size() + other.rows.size(), 2u);
}

TEST_F(HeadTest, DraftsAreChosenFromAsWell) {
  const auto plain = open(Numerics::kNative, nullptr, 2, false);
  const auto model = open(Numerics::kNative, nullptr, 2, true);
  ASSERT_TRUE(model->has_mtp());
  const std::vector<int32_t> next = {4, 5};
  std::vector<float> hidden(2 * static_cast<size_t>(model->config().hidden_size), 0.5f);
  const auto draft = [&](Transformer& of, const LogitChoice* choice) {
    SequencePages pages(of);
    const DraftSequence sequence{
        next, {hidden.data(), 2, of.config().hidden_size}, 0, pages.reserve(2), 1, choice};
    const Mat<const float> found = of.draft({&sequence, 1}).logits;
    return std::vector<float>(found.data, found.data + found.cols);
  };
  const Recorder choice;
  const std::vector<float> some = draft(*model, &choice), all = draft(*plain, nullptr);
  ASSERT_EQ(choice.rows.size(), 1u);
  std::vector<float> want(all.size(), kNone);
  for (const int32_t id : choice.rows[0].ids) want[id] = all[id];
  expect_same(some, want);
}

}  // namespace
}  // namespace fathom
