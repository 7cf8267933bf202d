// Random requests, sinks that remember, and what each request must answer.
#pragma once

#include <memory>
#include <vector>

#include "engine/engine.h"
#include "engine/sampler.h"
#include "engine/testing/fake_model.h"

namespace fathom::engine {

class RecordingSink : public TokenSink {
 public:
  bool on_token(const GeneratedToken& token) override {
    tokens.push_back(token);
    return static_cast<int64_t>(tokens.size()) < enough;
  }
  void on_finish(const RequestResult& outcome) override {
    ++finishes;
    result = outcome;
  }
  std::vector<int32_t> ids() const {
    std::vector<int32_t> ids;
    for (const GeneratedToken& token : tokens) ids.push_back(token.id);
    return ids;
  }

  int64_t enough = 1 << 30;
  std::vector<GeneratedToken> tokens;
  RequestResult result;
  int finishes = 0;
};

/// Allows a changing half of the ids, as a function of what came before.
class HashConstraint final : public Constraint {
 public:
  HashConstraint(uint64_t state, int64_t vocab_size) : state_(state), vocab_size_(vocab_size) {}
  std::unique_ptr<Constraint> clone() const override {
    return std::make_unique<HashConstraint>(*this);
  }
  void fill_mask(std::span<uint64_t> words) override {
    for (size_t w = 0; w < words.size(); ++w) words[w] = splitmix64(state_ + w);
  }
  void advance(int32_t id) override {
    FATHOM_CHECK(splitmix64(state_ + static_cast<uint64_t>(id) / 64) >> (id % 64) & 1);
    state_ = splitmix64(state_ ^ static_cast<uint64_t>(id));
  }

 private:
  uint64_t state_;
  int64_t vocab_size_;
};

/// A request that can be made again: constraints are not copied.
struct RequestRecipe {
  Request request;
  uint64_t constraint = 0;  // 0: none
  int64_t enough = 1 << 30;

  Request make(int64_t vocab_size) const {
    Request made{.prompt = request.prompt,
                 .max_tokens = request.max_tokens,
                 .sampling = request.sampling,
                 .stop_ids = request.stop_ids,
                 .user = request.user,
                 .deadline = request.deadline,
                 .use_cache = request.use_cache,
                 .speculate = request.speculate};
    if (constraint != 0) made.constraint = std::make_unique<HashConstraint>(constraint, vocab_size);
    return made;
  }
};

/// Prompts share beginnings: random walks down a small tree of token ids.
inline RequestRecipe random_recipe(Rng& rng, int64_t vocab_size, int64_t max_prompt,
                                   int64_t max_answer) {
  RequestRecipe recipe;
  const auto length = static_cast<int64_t>(1 + rng.below(max_prompt));
  const uint64_t family = rng.below(3);
  const auto shared = static_cast<int64_t>(rng.below(length + 1));
  for (int64_t i = 0; i < length; ++i) {
    const uint64_t bits = i < shared ? splitmix64(family * 1000 + i) : rng.next();
    recipe.request.prompt.push_back(static_cast<int32_t>(bits % vocab_size));
  }
  recipe.request.max_tokens = static_cast<int64_t>(1 + rng.below(max_answer));
  recipe.request.user = std::to_string(rng.below(4));
  recipe.request.use_cache = rng.below(8) != 0;
  recipe.request.speculate = rng.below(8) != 0;
  SamplingParams& sampling = recipe.request.sampling;
  sampling.seed = rng.next();
  sampling.temperature = rng.below(2) ? 0.0f : static_cast<float>(0.2 + rng.uniform());
  if (rng.below(4) == 0) sampling.top_p = 0.8f;
  if (rng.below(4) == 0) sampling.top_k = static_cast<int>(1 + rng.below(20));
  if (rng.below(4) == 0) sampling.frequency_penalty = 0.7f;
  if (rng.below(4) == 0) sampling.presence_penalty = -0.3f;
  if (rng.below(4) == 0)
    sampling.logit_bias = {{static_cast<int32_t>(rng.below(vocab_size)), 2.0f}};
  if (rng.below(4) == 0) sampling.top_logprobs = static_cast<int>(rng.below(5));
  if (rng.below(4) == 0) recipe.request.stop_ids = {1, 5};
  if (rng.below(4) == 0) recipe.constraint = rng.next() | 1;
  if (rng.below(10) == 0) recipe.enough = static_cast<int64_t>(1 + rng.below(10));
  return recipe;
}

/// What the request answers, found without any engine.
inline std::vector<int32_t> expected_ids(FakeModel& model, const RequestRecipe& recipe) {
  const int64_t vocab = model.config().vocab_size;
  const Request request = recipe.make(vocab);
  Sampler sampler(vocab);
  std::vector<int32_t> tokens = request.prompt, answer;
  TokenCounts counts;
  std::vector<uint64_t> mask((vocab + 63) / 64);
  while (static_cast<int64_t>(answer.size()) < request.max_tokens) {
    DrawContext context{.params = &request.sampling,
                        .seed = *request.sampling.seed,
                        .index = static_cast<int64_t>(answer.size()),
                        .generated = &counts};
    if (request.constraint) {
      request.constraint->fill_mask(mask);
      context.mask = mask;
    }
    const int32_t id = sampler.sample(model.logits_after(tokens), context).id;
    if (std::ranges::find(request.stop_ids, id) != request.stop_ids.end()) break;
    if (request.constraint) request.constraint->advance(id);
    tokens.push_back(id);
    answer.push_back(id);
    ++counts[id];
    if (static_cast<int64_t>(answer.size()) >= recipe.enough) break;
  }
  return answer;
}

}  // namespace fathom::engine
