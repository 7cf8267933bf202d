#include "train/divided_weights.h"

#include <cstring>

namespace fathom::train {
namespace {

/// One flat array of the weights, bytes by parameter.
struct Array {
  std::byte* data;
  size_t element;

  std::byte* at(int64_t offset) const { return data + static_cast<size_t>(offset) * element; }
  size_t bytes(const Param& p) const { return static_cast<size_t>(p.size()) * element; }
};

std::vector<Array> arrays(const Weights& w) {
  std::vector<Array> all = {{w.params.data(), 4}, {w.m.data(), 2}, {w.v.data(), 2}};
  if (w.ema.size() > 0) all.push_back({w.ema.data(), 4});
  return all;
}

}  // namespace

Weights part_of(const Weights& all, const Layout& own) {
  Weights part(own, 0, all.ema.size() > 0);
  const std::vector<Array> from = arrays(all), to = arrays(part);
  for (size_t a = 0; a < to.size(); ++a) {
    for (const Param& p : own.params) {
      std::memcpy(to[a].at(p.offset), from[a].at(p.place), to[a].bytes(p));
    }
  }
  part.bias = all.bias;
  return part;
}

void gather_weights(Ranks& ranks, const ModelConfig& config, const Layout& own,
                    const Weights& weights, Weights& to) {
  const int size = ranks.size();
  const bool root = ranks.rank() == 0;
  const std::vector<Array> from = arrays(weights), into = arrays(to);
  for (size_t a = 0; a < from.size(); ++a) {
    std::vector<std::byte> packed;
    for (const Param& p : own.params) {
      const std::byte* data = from[a].at(p.offset);
      if (root) {
        std::memcpy(into[a].at(p.place), data, from[a].bytes(p));
      } else if (p.routed) {
        packed.insert(packed.end(), data, data + from[a].bytes(p));
      }
    }
    for (int r = 1; r < size; ++r) {
      std::vector<Ranks::Bytes> send(static_cast<size_t>(size)), receive(send.size());
      std::vector<std::byte> came;
      const Layout theirs(config, {r, size});
      if (root) {
        size_t bytes = 0;
        for (const Param& p : theirs.params) bytes += p.routed ? from[a].bytes(p) : 0;
        came.resize(bytes);
        receive[r] = came;
      } else if (r == ranks.rank()) {
        send[0] = packed;
      }
      ranks.exchange(send, receive);
      size_t at = 0;
      for (const Param& p : theirs.params) {
        if (!root || !p.routed) continue;
        std::memcpy(into[a].at(p.place), came.data() + at, from[a].bytes(p));
        at += from[a].bytes(p);
      }
    }
  }
  if (root) to.bias = weights.bias;
}

}  // namespace fathom::train
