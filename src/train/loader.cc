#include "train/loader.h"

#include <bit>

#include "base/error.h"
#include "base/rng.h"

namespace fathom::train {

/// A four-round Feistel network on the next even number of bits, walked until it lands below n.
uint64_t permute(uint64_t i, uint64_t n, uint64_t key) {
  const int half = (std::bit_width(n - 1) + 1) / 2;
  const uint64_t mask = (uint64_t{1} << half) - 1;
  do {
    uint64_t left = i >> half, right = i & mask;
    for (uint64_t round = 0; round < 4; ++round) {
      const uint64_t mixed = splitmix64(right ^ splitmix64(key + round)) & mask;
      const uint64_t next = left ^ mixed;
      left = right;
      right = next;
    }
    i = left << half | right;
  } while (i >= n);
  return i;
}

Loader::Loader(const std::vector<SourceSettings>& sources, int64_t sequence, int64_t vocab,
               uint64_t seed)
    : sequence_(sequence), seed_(seed) {
  for (const SourceSettings& s : sources) {
    TokenBin bin = TokenBin::open(s.path);
    if (static_cast<int64_t>(bin.vocab()) != vocab) {
      fail(ErrorKind::kBadInput, "{}: vocabulary {}, the model has {}", s.path, bin.vocab(), vocab);
    }
    const auto length = static_cast<uint64_t>(sequence);
    const bool packed = bin.window() > 0;
    if (packed && length % bin.window() != 0) {
      fail(ErrorKind::kBadInput,
           "{}: documents are packed into windows of {} tokens, expected a length of which "
           "sequences of {} are a multiple",
           s.path, bin.window(), sequence);
    }
    const uint64_t needed = packed ? length : 2 * length + 2;
    if (bin.size() < needed) {
      fail(ErrorKind::kBadInput, "{}: {} tokens, sequences of {} need at least {}", s.path,
           bin.size(), sequence, needed);
    }
    // One window less than fit, so that an epoch's shift stays within the bin.
    const uint64_t windows = packed ? bin.size() / length : (bin.size() - 2) / length - 1;
    sources_.push_back({std::move(bin), s.weight, windows});
    total_weight_ += s.weight;
  }
  if (!(total_weight_ > 0)) fail(ErrorKind::kBadInput, "data: the sources' weights are all 0");
  state_.position.assign(sources_.size(), 0);
}

void Loader::next(int32_t* ids, uint8_t* mask) {
  const uint64_t draw = splitmix64(seed_ ^ splitmix64(state_.sequences));
  double at = static_cast<double>(draw >> 11) * 0x1.0p-53 * total_weight_;
  size_t which = 0;
  while (which + 1 < sources_.size() && at >= sources_[which].weight)
    at -= sources_[which++].weight;
  const Source& source = sources_[which];
  const uint64_t epoch = state_.position[which] / source.windows;
  const uint64_t key = splitmix64(seed_ + 0x5851F42D4C957F2Dull * (which + 1)) ^ splitmix64(epoch);
  const uint64_t window = permute(state_.position[which] % source.windows, source.windows, key);
  const auto length = static_cast<uint64_t>(sequence_);
  const bool packed = source.bin.window() > 0;
  const uint64_t shift = epoch == 0 || packed ? 0 : splitmix64(key) % length;
  const uint64_t first = window * length + shift;
  const uint64_t count = packed ? length : length + 2;
  source.bin.read(first, {ids, count});
  source.bin.read_mask(first, {mask, count});
  for (uint64_t i = count; i < length + 2; ++i) {
    ids[i] = ids[count - 1];
    mask[i] = 0;
  }
  ++state_.position[which];
  ++state_.sequences;
}

void Loader::restore(const LoaderState& state) {
  if (state.position.size() != sources_.size()) {
    fail(ErrorKind::kBadInput, "the saved run read {} sources, the settings name {}",
         state.position.size(), sources_.size());
  }
  state_ = state;
}

}  // namespace fathom::train
