// DeepSeek-V3's forward pass on a checkpoint's weights.
#pragma once

#include <memory>

#include "kernels/ops.h"
#include "model/language_model.h"
#include "model/observer.h"
#include "tensor/buffer.h"
#include "weights/model_weights.h"

namespace fathom {

struct TransformerOptions {
  Numerics numerics = Numerics::kNative;
  int threads = 0;                   ///< 0: as many as there are processors for us
  const Kernels* kernels = nullptr;  ///< null: fathom::kernels()
};

class Transformer : public LanguageModel {
 public:
  Transformer(ModelWeights weights, const TransformerOptions& options);
  ~Transformer() override;

  const ModelConfig& config() const override;
  std::string fingerprint() const override;
  size_t page_bytes() const override;
  bool has_mtp() const override;
  StepOutput forward(std::span<const StepSequence> batch) override;
  StepOutput draft(std::span<const DraftSequence> batch) override;

  /// Sees every later pass; null for nobody. Not owned.
  void set_observer(ForwardObserver* observer);
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
  /// Makes room for positions 0 .. length - 1.
  std::span<std::byte* const> reserve(int64_t length);

 private:
  size_t page_bytes_;
  std::vector<Buffer> buffers_;
  std::vector<std::byte*> pages_;
};

}  // namespace fathom
