// From a row of logits to the next id.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/engine.h"
#include "engine/logit_scan.h"
#include "model/language_model.h"

namespace fathom::engine {

/// How often each id was generated.
using TokenCounts = std::unordered_map<int32_t, int32_t>;

/// What a draw depends on beside the logits.
struct DrawContext {
  const SamplingParams* params = nullptr;
  uint64_t seed = 0;
  int64_t index = 0;                       ///< which generated token of its request this is, from 0
  const TokenCounts* generated = nullptr;  ///< read where there are penalties; null: none
  std::span<const uint64_t> mask = {};     ///< a Constraint's; empty: every id is allowed
  bool want_logprobs = true;               ///< false leaves them out whatever params say
};

/// Which logits a draw needs that neither cuts, edits nor reports them: those of the ids that may
/// win.
class DrawChoice final : public LogitChoice {
 public:
  /// None where the draws of such params need more.
  static std::optional<DrawChoice> of(const DrawContext& context);
  /// The row-th draw after the context's.
  void choose(int64_t row, std::span<const float> estimate, std::span<const float> margin,
              std::vector<int32_t>& ids) const override;

 private:
  DrawChoice(float temperature, uint64_t seed, int64_t index)
      : temperature_(temperature), seed_(seed), index_(index) {}

  float temperature_;
  uint64_t seed_;
  int64_t index_;
};

/// The next token is a function of the logits and the context alone: noise is a function of seed,
/// index and id (Gumbel-max). So neither the schedule nor speculation can change a draw, and a
/// draft that is drawn from its own logits with the same context agrees with the model's draw about
/// as often as the best possible coupling of the two distributions.
///
/// The order: logit_bias, frequency and presence penalties (over generated ids), mask; logprobs are
/// taken here; temperature, top_k, top_p (of what top_k left), min_p.
class Sampler {
 public:
  explicit Sampler(int64_t vocab_size);

  /// `logits`: [vocab_size]. Throws Error(kBadInput) when no id can be chosen: nothing finite, or
  /// nothing allowed.
  GeneratedToken sample(std::span<const float> logits, const DrawContext& context);

 private:
  std::span<const float> edited(std::span<const float> logits, const DrawContext& context);
  Cut cut_tail(std::span<const float> row, Peak peak, const SamplingParams& params);
  Cut cut_top_k(std::span<const float> row, int64_t k);
  Cut cut_top_p(std::span<const float> row, Peak peak, float scale, double top_p,
                const Cut& within);
  void add_logprobs(std::span<const float> row, Peak peak, int count, GeneratedToken& token);

  const int64_t vocab_size_;
  std::vector<float> row_;     // [vocab_size], the logits after edits
  std::vector<float> terms_;   // [vocab_size], exp of each
  std::vector<float> maxima_;  // of blocks
  std::vector<int32_t> ids_;
};

}  // namespace fathom::engine
