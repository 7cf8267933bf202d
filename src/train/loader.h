// Sequences from token bins: shuffled windows, in an order that follows from the seed alone.
#pragma once

#include <cstdint>
#include <vector>

#include "train/settings.h"
#include "train/token_bin.h"

namespace fathom::train {

/// Where the loader stands: all that a resumed run needs.
struct LoaderState {
  uint64_t sequences = 0;          // handed out
  std::vector<uint64_t> position;  // of each source: windows handed out
};

/// Each source is cut into windows of `sequence` tokens (and the two that follow). Every epoch
/// shifts the cuts and shuffles the windows anew; which source comes next is drawn by the weights.
/// Where documents were packed into windows the cuts stay between those, and nothing follows: no
/// loss is taken on the two tokens more.
class Loader {
 public:
  /// Throws Error(kBadInput) for a bin that is too short, has another vocabulary, or was packed
  /// into windows of which `sequence` is no multiple.
  Loader(const std::vector<SourceSettings>& sources, int64_t sequence, int64_t vocab,
         uint64_t seed);

  /// The next sequence: ids and mask of sequence + 2 entries.
  void next(int32_t* ids, uint8_t* mask);

  const LoaderState& state() const { return state_; }
  /// Throws Error(kBadInput) where the state is of another number of sources.
  void restore(const LoaderState& state);

 private:
  struct Source {
    TokenBin bin;
    double weight;
    uint64_t windows;
  };
  std::vector<Source> sources_;
  int64_t sequence_;
  uint64_t seed_;
  double total_weight_ = 0;
  LoaderState state_;
};

/// A permutation of 0 .. n - 1 chosen by `key`, evaluated at `i` alone.
uint64_t permute(uint64_t i, uint64_t n, uint64_t key);

}  // namespace fathom::train
