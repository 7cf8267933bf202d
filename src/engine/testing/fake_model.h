// A model for tests: cheap, exact, and unforgiving. Its logits are a hash of all tokens before them
// *as read back from the pages*, so that any page that is mixed up, stale or missing changes the
// answer; its passes take virtual time.
#pragma once

#include <atomic>
#include <bit>
#include <cstring>
#include <new>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/rng.h"
#include "engine/clock.h"
#include "model/language_model.h"

namespace fathom::engine {

class VirtualClock final : public Clock {
 public:
  /// Stands still until it is advanced; `restless`: each look finds up to 0.1 ms more gone by.
  explicit VirtualClock(bool restless = false) : restless_(restless) {}
  Time now() const override {
    if (restless_) {
      const int64_t looks = ++looks_;
      nanoseconds_ += looks * 40'503 % 65'521 * 3 / 2;
    }
    return Time(std::chrono::nanoseconds(nanoseconds_.load()));
  }
  void advance(double seconds) { nanoseconds_ += static_cast<int64_t>(seconds * 1e9); }

 private:
  const bool restless_;
  mutable std::atomic<int64_t> looks_ = 0;
  mutable std::atomic<int64_t> nanoseconds_ = 1'000'000'000;
};

struct FakeModelOptions {
  int64_t vocab_size = 96;
  int64_t context = 4096;
  bool mtp = true;
  double acceptance = 0.8;  ///< share of positions where the MTP layer knows the model's logits
  uint64_t weights = 1;     ///< another number: another model
  int32_t poison = -1;      ///< an id that makes forward() and begin() throw
  int32_t draft_poison = -1;
  int64_t failing_advance = -1;  ///< the advance(), from 0, that throws
  VirtualClock* clock = nullptr;
  double pass_seconds = 0.010;
  double row_seconds = 0.001;
  double draft_seconds = 0.001;
};

class FakeModel final : public LanguageModel {
 public:
  explicit FakeModel(FakeModelOptions options) : options_(options) {
    config_.vocab_size = options.vocab_size;
    config_.hidden_size = kHidden;
    config_.max_position_embeddings = options.context;
    config_.num_nextn_predict_layers = options.mtp ? 1 : 0;
  }

  const ModelConfig& config() const override { return config_; }
  std::string fingerprint() const override { return "fake " + std::to_string(options_.weights); }
  size_t page_bytes() const override { return sizeof(Page); }
  bool has_mtp() const override { return options_.mtp; }

  StepOutput forward(std::span<const StepSequence> batch) override {
    compute(batch);
    spend(options_.pass_seconds, options_.row_seconds);
    return output();
  }

  // As a real model's, a pass's pieces write into its pages whenever they run.
  void begin(std::span<const StepSequence> batch) override {
    for (const StepSequence& step : batch) {
      for (int32_t token : step.tokens) check(token);
    }
    long_batch_.assign(batch.begin(), batch.end());
    piece_ = 0;
  }

  std::optional<StepOutput> advance() override {
    FATHOM_CHECK(piece_ < kPieces);
    if (advances_++ == options_.failing_advance) throw std::bad_alloc();
    forget_results();
    const bool last = ++piece_ == kPieces;
    if (last) compute(long_batch_);
    int64_t rows = 0;
    for (const StepSequence& step : long_batch_) {
      const auto count = std::ssize(step.tokens);
      rows += count;
      if (last) continue;
      for (int64_t p = step.start; p < step.start + count; ++p) page(step, p)->main[p % 64] = ~0ull;
    }
    spend(options_.pass_seconds / kPieces, options_.row_seconds / kPieces, rows);
    return last ? std::optional(output()) : std::nullopt;
  }

  StepOutput draft(std::span<const DraftSequence> batch) override {
    forget_results();
    for (const DraftSequence& step : batch) {
      const auto count = std::ssize(step.next_tokens);
      for (int64_t p = 0; p < step.start; ++p) holes_ += page(step, p)->mtp[p % 64] == 0;
      for (int64_t i = 0; i < count; ++i) {
        const int64_t p = step.start + i;
        if (step.next_tokens[i] == options_.draft_poison) fail(ErrorKind::kBadInput, "poisoned");
        page(step, p)->mtp[p % 64] = 1;
        uint64_t state = fold(get_hidden(step.hidden.row(i)), written(step.next_tokens[i], p + 1));
        put_hidden(state);
        const bool knows = Rng(state ^ 77).uniform() < options_.acceptance;
        if (i >= count - step.logit_rows) put_logits(knows ? state : ~state);
      }
    }
    spend(options_.draft_seconds, 0.1 * options_.row_seconds);
    return output();
  }

  /// The logits after `tokens`, without any pages.
  std::vector<float> logits_after(std::span<const int32_t> tokens) {
    uint64_t state = options_.weights;
    for (size_t p = 0; p < tokens.size(); ++p) {
      state = fold(state, written(tokens[p], static_cast<int64_t>(p)));
    }
    logits_.clear();
    put_logits(state);
    return logits_;
  }

  /// Positions before a draft that the MTP layer had not been shown.
  int64_t holes() const { return holes_; }

 private:
  static constexpr int64_t kHidden = 4;
  static constexpr int64_t kPieces = 7;  // of three layers, and the head
  struct Page {
    uint64_t main[kPageTokens];
    uint64_t mtp[kPageTokens];
  };

  template <typename Step>
  static Page* page(const Step& step, int64_t position) {
    FATHOM_CHECK(position / kPageTokens < std::ssize(step.pages));
    return reinterpret_cast<Page*>(step.pages[position / kPageTokens]);
  }

  uint64_t written(int32_t id, int64_t position) const {
    return splitmix64(options_.weights ^ (static_cast<uint64_t>(id) << 32 | (position + 1)));
  }
  static uint64_t fold(uint64_t state, uint64_t value) {
    return (std::rotl(state, 17) ^ value) * 0x9E3779B97F4A7C15ull;
  }

  void put_hidden(uint64_t state) {
    for (int i = 0; i < kHidden; ++i) {
      hidden_.push_back(static_cast<float>(state >> (16 * i) & 0xFFFF));
    }
  }
  static uint64_t get_hidden(const float* row) {
    uint64_t state = 0;
    for (int i = 0; i < kHidden; ++i) state |= static_cast<uint64_t>(row[i]) << (16 * i);
    return state;
  }
  void put_logits(uint64_t state) {
    for (int64_t v = 0; v < options_.vocab_size; ++v) {
      const uint64_t bits = splitmix64(state + static_cast<uint64_t>(v));
      logits_.push_back(static_cast<float>(bits >> 40) * 0x1p-24f * 6);
    }
  }

  void check(int32_t token) const {
    if (token == options_.poison) fail(ErrorKind::kBadInput, "poisoned");
  }

  void compute(std::span<const StepSequence> batch) {
    forget_results();
    for (const StepSequence& step : batch) {
      uint64_t state = options_.weights;
      for (int64_t p = 0; p < step.start; ++p) state = fold(state, page(step, p)->main[p % 64]);
      const auto count = std::ssize(step.tokens);
      for (int64_t i = 0; i < count; ++i) {
        const int64_t p = step.start + i;
        check(step.tokens[i]);
        page(step, p)->main[p % 64] = written(step.tokens[i], p);
        state = fold(state, written(step.tokens[i], p));
        put_hidden(state);
        if (i >= count - step.logit_rows) put_logits(state);
      }
    }
  }

  // As a real model's memory does, the last pass's results vanish.
  void forget_results() {
    logits_.clear();
    hidden_.clear();
  }
  void spend(double seconds, double row_seconds) {
    spend(seconds, row_seconds, std::ssize(hidden_) / kHidden);
  }
  void spend(double seconds, double row_seconds, int64_t rows) {
    if (options_.clock != nullptr) {
      options_.clock->advance(seconds + static_cast<double>(rows) * row_seconds);
    }
  }
  StepOutput output() const {
    const int64_t vocab = options_.vocab_size;
    return {Mat<const float>(logits_.data(), std::ssize(logits_) / vocab, vocab),
            Mat<const float>(hidden_.data(), std::ssize(hidden_) / kHidden, kHidden)};
  }

  FakeModelOptions options_;
  ModelConfig config_;
  std::vector<float> logits_, hidden_;
  std::vector<StepSequence> long_batch_;
  int64_t piece_ = 0;
  int64_t advances_ = 0;
  int64_t holes_ = 0;
};

}  // namespace fathom::engine
