// A sequence's share of a pass, and the form in which the model takes many of them.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "engine/sampler.h"
#include "engine/sequence.h"
#include "model/language_model.h"

namespace fathom::engine {

/// A sequence's next `tokens` known tokens. Where these are all that are left, its drafts come with
/// them and the next token is wanted.
struct Work {
  Sequence* sequence = nullptr;
  int64_t tokens = 0;

  bool completes() const { return tokens == sequence->left(); }
};

/// The tokens and pages of a pass over that work.
struct Batch {
  explicit Batch(std::span<const Work> work);

  std::vector<StepSequence> steps;  // views of the rest

 private:
  std::vector<std::vector<int32_t>> tokens_;
  std::vector<std::vector<std::byte*>> pages_;
  std::deque<DrawChoice> choices_;
};

}  // namespace fathom::engine
