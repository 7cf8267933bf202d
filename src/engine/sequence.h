// A request on its way through the engine.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cache/context_cache.h"
#include "engine/clock.h"
#include "engine/engine.h"
#include "engine/sampler.h"

namespace fathom::engine {

/// Belongs to the engine's thread.
struct Sequence {
  RequestId id = 0;  // in order of arrival
  Request request;
  std::shared_ptr<TokenSink> sink;
  uint64_t seed = 0;
  int64_t limit = 0;  // tokens.size() at which it ends with kLength

  std::vector<int32_t> tokens;  // the prompt, then what was generated
  TokenCounts generated;        // counts of the latter; kept only where there are penalties
  Usage usage;
  bool cancelled = false;
  bool paused = false;                  // gave up its pages and waits to go on
  std::optional<RequestResult> result;  // set once, when it is over

  // Latent KV. pages[i] holds positions 64 i ..; those before `computed` are written.
  std::vector<cache::PageRef> pages;
  int64_t computed = 0;
  std::vector<cache::PrefixKey> keys;  // of the first full pages of `tokens`, as far as asked for
  int64_t published = 0;               // pages that the context cache knows
  int64_t counted = 0;                 // prompt positions that usage has as hit or miss
  std::shared_ptr<cache::PageLoad> load;
  bool disk_failed = false;
  bool in_prefill = false;  // the PrefillPass under way computes its next tokens

  // Speculation. MTP's KV is written before `drafted`; `hidden` has the main model's outputs from
  // there to `computed`.
  bool drafts_allowed = false;
  int64_t drafted = 0;
  std::vector<float> hidden;    // [computed - drafted, hidden_size] where drafts are allowed
  std::vector<int32_t> drafts;  // proposed continuation of `tokens`, to be verified next

  Time arrived{}, admitted{}, first_token{};

  int64_t size() const { return static_cast<int64_t>(tokens.size()); }
  int64_t prompt_size() const { return static_cast<int64_t>(request.prompt.size()); }
  int64_t left() const { return size() - computed; }  // tokens that the model has not seen
  bool done() const { return result.has_value(); }
  bool caches() const { return request.use_cache; }

  /// Of the draw of generated token number `index`, but for a constraint's mask.
  DrawContext draw_context(int64_t index) const {
    return {.params = &request.sampling, .seed = seed, .index = index, .generated = &generated};
  }
  /// Which logits the draws from that one on need; none: all.
  std::optional<DrawChoice> draw_choice(int64_t index) const {
    if (request.constraint != nullptr) return std::nullopt;
    return DrawChoice::of(draw_context(index));
  }

  void stop_drafting() {
    drafts_allowed = false;
    drafts.clear();
    hidden = {};
  }

  void finish(FinishReason reason, std::string error = {}) {
    if (!result) result = RequestResult{reason, {}, std::move(error)};
  }
};

}  // namespace fathom::engine
