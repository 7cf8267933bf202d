// The MTP layer's part of a step: keeps its KV up to date and proposes tokens.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/sampler.h"
#include "engine/sequence.h"
#include "engine/sequence_memory.h"

namespace fathom::engine {

/// For the engine's thread.
class Drafter {
 public:
  Drafter(LanguageModel& model, Sampler& sampler, SequenceMemory& memory);

  /// Works off the main model's outputs that sequences have collected, and leaves up to `drafts`
  /// proposals in those that decode. Returns whether any pass ran.
  bool run(std::span<Sequence* const> sequences, int drafts);

 private:
  struct Row {  // one sequence's share of a pass
    Sequence* sequence = nullptr;
    int64_t wanted = 0;  // drafts
    std::vector<int32_t> next_tokens;
    std::vector<float> hidden;  // of the passes after the first
    std::vector<std::byte*> pages;
    std::unique_ptr<Constraint> constraint;  // moved past the drafts
    std::optional<DrawChoice> choice;        // of the next draft
  };

  int64_t drafts_for(const Sequence& sequence, int drafts) const;
  void collect(std::span<Sequence* const> sequences, int drafts);
  void pass(int64_t depth);
  bool propose(Row& row, std::span<const float> logits);

  LanguageModel& model_;
  Sampler& sampler_;
  SequenceMemory& memory_;
  const int64_t hidden_size_;
  std::vector<uint64_t> mask_;
  std::vector<Row> rows_;
};

}  // namespace fathom::engine
