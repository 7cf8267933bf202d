// The pages of sequences: where they come from, and where they go.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "engine/sequence.h"

namespace fathom::engine {

/// Finds a sequence's prefix in the context cache, gives it pages to write, and hands finished
/// pages to the cache. For the engine's thread.
class SequenceMemory {
 public:
  SequenceMemory(cache::PagePool& pool, cache::ContextCache& cache) : pool_(pool), cache_(cache) {}

  enum class Prefix {
    kReady,    // compute from `computed` on
    kLoading,  // its next pages are on their way from disk
    kShared,   // another sequence is computing just this page; wait and take it
  };

  /// Takes over cached pages while the next position begins a page of known tokens. Always leaves
  /// the last token to be computed: its logits are wanted.
  Prefix extend(Sequence& sequence);

  /// Says that the pages beginning in [computed, end) are being computed by this sequence.
  void announce(Sequence& sequence, int64_t end);

  /// Pages for positions before `end`, those from `first_written` on its own. False when memory is
  /// short; the sequence keeps what it has.
  bool reserve(Sequence& sequence, int64_t first_written, int64_t end);

  /// Hands pages that lie before `end` to the cache.
  void publish(Sequence& sequence, int64_t end);

  /// Publishes what is complete and lets go of all pages. The sequence can begin anew.
  void release(Sequence& sequence);

  /// Pages it will still take for its known tokens and the next one.
  static int64_t pages_wanted(const Sequence& sequence);
  int64_t pages_available() const { return cache_.available(); }
  int64_t pages_total() const { return pool_.capacity(); }

 private:
  const cache::PrefixKey& key_of(Sequence& sequence, int64_t page);
  cache::PageName name_of(Sequence& sequence, int64_t page);
  bool start_load(Sequence& sequence, int64_t page, int64_t end_page);
  void forget_announced(Sequence& sequence);

  cache::PagePool& pool_;
  cache::ContextCache& cache_;
  std::unordered_map<cache::PrefixKey, RequestId, cache::PrefixKeyHash> computing_;
};

}  // namespace fathom::engine
