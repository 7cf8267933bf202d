// DeepSeek-V3's forward pass on a checkpoint's weights.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "kernels/ops.h"
#include "model/language_model.h"
#include "model/observer.h"
#include "model/op_profile.h"
#include "tensor/buffer.h"
#include "weights/int8_weights.h"
#include "weights/model_weights.h"
#include "weights/weight_mover.h"

namespace fathom {

struct TransformerOptions {
  Numerics numerics = Numerics::kNative;
  int threads = 0;                   ///< 0: as many as there are processors for us
  const Kernels* kernels = nullptr;  ///< null: fathom::kernels()
  /// Moves the weights out of the mapping meanwhile (weights/weight_mover.h): as much memory again
  /// as the page cache would take. False: they stay, for models larger than the memory.
  bool move_weights = false;
  /// Numerics::kInt8 regroups the weights as the model is made (weights/int8_weights.h), in as much
  /// memory again as the page cache would take, whatever move_weights says. Null: nobody watches.
  RegroupProgress on_regroup = nullptr;
  std::vector<NumaNode> nodes = {};  ///< where threads and weights go; empty: numa_nodes()
  /// Work that is estimated to take one thread less, in ns, is not shared out: handing it out and
  /// what then travels between processors takes a microsecond or two. 0 shares out everything.
  double worth_sharing_ns = 4000;
  /// Heads of so many weights and more get an outline as they move (weights/head_outline.h).
  int64_t outlined_weights = WeightMover::kOutlinedWeights;
};

class Transformer : public LanguageModel {
 public:
  Transformer(ModelWeights weights, const TransformerOptions& options);
  ~Transformer() override;

  const ModelConfig& config() const override;
  std::string fingerprint() const override;
  std::string page_origin() const override;
  size_t page_bytes() const override;
  bool has_mtp() const override;
  StepOutput forward(std::span<const StepSequence> batch) override;
  StepOutput draft(std::span<const DraftSequence> batch) override;
  void begin(std::span<const StepSequence> batch) override;
  std::optional<StepOutput> advance() override;

  /// How far the weights have moved; all zero and finished where they stay. Regrouped ones have
  /// moved. From any thread.
  WeightMoveStatus weight_move() const;
  /// Waits for the end of it. Between passes.
  void await_weights();

  /// Sees every later pass; null for nobody. Not owned.
  void set_observer(ForwardObserver* observer);
  /// Every later pass adds its operations' times to it; null for nobody. Not owned.
  void set_profile(OpProfile* profile);
  Numerics numerics() const;
  /// Whether a pass with so many rows of logits, all chosen from, computes those alone that are
  /// chosen. Between passes.
  bool outlines(int64_t rows) const;
  /// Threads of a pass.
  int threads() const;
  /// The rotary frequencies in use, [qk_rope_head_dim / 2].
  std::span<const double> rope_frequencies() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Pages for one sequence that grow with it: for callers without a pool of their own.
class SequencePages {
 public:
  explicit SequencePages(const LanguageModel& model) : page_bytes_(model.page_bytes()) {}
  /// Makes room for positions 0 .. length - 1. Pages that are made at once lie together.
  std::span<std::byte* const> reserve(int64_t length);

 private:
  size_t page_bytes_;
  std::vector<Buffer> buffers_;  // large ones lie in huge pages
  std::vector<std::byte*> pages_;
};

}  // namespace fathom
