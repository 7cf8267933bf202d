// The pass in which prompts come in: a few pieces of it at a time, so that streams get their tokens
// in between.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/clock.h"
#include "engine/work.h"
#include "model/language_model.h"

namespace fathom::engine {

/// Many tokens of a prompt read an expert once where a few tokens in each of many steps read it as
/// often as there are steps; and a step of the streams waits for a piece of them (half a layer)
/// instead of for all. Its pages are held, so what becomes of a sequence meanwhile harms nobody.
/// For the engine's thread.
class PrefillPass {
 public:
  PrefillPass(LanguageModel& model, const Clock& clock) : model_(model), clock_(clock) {}

  bool under_way() const { return !work_.empty(); }

  /// Their pages are reserved. None may be under way. Throws what LanguageModel::begin does: none
  /// is under way then.
  void begin(std::vector<Work> work);

  /// Goes on by as many pieces as should end within `seconds`: by none where not even one should,
  /// but not four times in a row. Its results when it has ended: work() and steps() say whose,
  /// until drop(). Throws what the model does.
  std::optional<StepOutput> advance(double seconds);

  /// What it computes; a sequence that was forgotten is null.
  std::span<const Work> work() const { return work_; }
  std::span<const StepSequence> steps() const { return batch_->steps; }
  std::vector<Work> wanted() const;  ///< without the forgotten ones
  int64_t tokens() const { return tokens_; }
  double seconds() const { return halves_[0].seconds + halves_[1].seconds; }  ///< so far
  double layer_seconds() const;  ///< of both its pieces, the mean

  /// A sequence is over. The others' results are still wanted.
  void forget(Sequence& sequence);
  /// Lets go of everything.
  void drop();

 private:
  // The first pieces of layers, or the second ones.
  struct Half {
    double seconds = 0;
    int64_t pieces = 0;  // that took them
    double guess = 0;    // of one: what those of the last pass took, for as many tokens
    double mean() const { return pieces == 0 ? guess : seconds / static_cast<double>(pieces); }
  };

  LanguageModel& model_;
  const Clock& clock_;
  std::vector<Work> work_;
  std::optional<Batch> batch_;
  std::vector<cache::PageRef> held_;
  int64_t tokens_ = 0;
  std::array<Half, 2> halves_;
  size_t next_ = 0;   // of the halves
  int left_out_ = 0;  // times in a row
};

}  // namespace fathom::engine
