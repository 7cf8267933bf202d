// The seam between the engine and the network: a forward pass over a ragged batch of sequences
// whose latent KV lies in pages that the caller owns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "checkpoint/config.h"
#include "tensor/mat_view.h"

namespace fathom {

/// Tokens in a KV page. Also the unit of the context cache.
inline constexpr int64_t kPageTokens = 64;

/// Which logits somebody needs who will draw a token from them: a model can tell where all of them
/// lie for half of what computing them costs.
class LogitChoice {
 public:
  virtual ~LogitChoice() = default;
  /// Appends, in order, the ids whose logits must be exact. Of the row-th of a sequence's rows of
  /// logits, each is within `margin` of `estimate`; where the margin is NaN, nothing is known.
  virtual void choose(int64_t row, std::span<const float> estimate, std::span<const float> margin,
                      std::vector<int32_t>& ids) const = 0;
};

/// One sequence's share of a step: `tokens` at positions start .. start + size - 1.
struct StepSequence {
  std::span<const int32_t> tokens;
  int64_t start = 0;
  /// Pages 0 .. covering every position up to the last new one. Positions before `start` were
  /// written by earlier steps; this step writes the new ones. A page before start / 64 is only
  /// read, so sequences may share it.
  std::span<std::byte* const> pages;
  /// Logits are wanted for the last this many of the new tokens.
  int64_t logit_rows = 1;
  /// Hidden states are wanted for all new tokens, not only for those with logits: the last layer
  /// then computes all of them. Without drafts nobody needs them.
  bool all_hidden = true;
  /// If not null: only the logits that it chooses are wanted, and the others may be -infinity.
  const LogitChoice* choice = nullptr;
};

/// One sequence's share of a drafting pass of the MTP layer. Row i combines the main model's output
/// at position start + i (`hidden`, after the final norm) with the token that follows it.
struct DraftSequence {
  std::span<const int32_t> next_tokens;
  Mat<const float> hidden;  // [next_tokens.size(), hidden_size]
  int64_t start = 0;
  std::span<std::byte* const> pages;
  int64_t logit_rows = 1;
  const LogitChoice* choice = nullptr;  // as above
};

/// Where a pass leaves its results. Memory is the model's and stays valid until its next pass.
struct StepOutput {
  Mat<const float> logits;  // [sum of logit_rows, vocab_size], in order of the sequences
  Mat<const float> hidden;  // [sum of tokens, hidden_size], after the final norm (of the MTP
                            // block's shared_head.norm for a draft): what MTP takes at the next
                            // depth. Rows that were not wanted hold nothing of use.
};

/// A model that computes. The bits of a row of logits depend on the tokens before it alone: not on
/// the rest of the batch, on how a prompt was cut into steps, on threads, or on drafts.
/// One pass at a time; passes may come from any thread.
class LanguageModel {
 public:
  virtual ~LanguageModel() = default;

  virtual const ModelConfig& config() const = 0;
  /// Names weights, numerics and kernels for those who ask: the same wherever the answers are.
  virtual std::string fingerprint() const = 0;
  /// Names what pages come from, the very files of the weights included: caches of unequal origins
  /// never mix.
  virtual std::string page_origin() const { return fingerprint(); }
  /// Bytes of one page: 64 tokens of every layer, MTP layers included. Position-independent and
  /// free of pointers, so a page may be stored and read back by another process.
  virtual size_t page_bytes() const = 0;
  /// Whether draft() works.
  virtual bool has_mtp() const = 0;

  /// Throws Error(kBadInput) for an id outside the vocabulary or a position past the context.
  virtual StepOutput forward(std::span<const StepSequence> batch) = 0;
  virtual StepOutput draft(std::span<const DraftSequence> batch) = 0;

  /// A forward pass in pieces, other passes in between: begin(), which throws what forward() does,
  /// then advance() until it returns the results. Pieces are a layer's attention, its MLP, the next
  /// one's attention and so on, then the head. What `batch` refers to stays in place until then.
  /// Another begin() drops a pass that has not ended.
  virtual void begin(std::span<const StepSequence> batch) = 0;
  virtual std::optional<StepOutput> advance() = 0;
};

}  // namespace fathom
