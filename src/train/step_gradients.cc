#include "train/step_gradients.h"

#include <algorithm>
#include <cstring>

namespace fathom::train {
namespace {

/// Calls body(offset, elements) for each longest run of parameters that are routed experts', or
/// aren't.
template <typename Body>
void each_range(const Layout& layout, bool routed, const Body& body) {
  const std::vector<Param>& params = layout.params;
  for (size_t i = 0; i < params.size();) {
    size_t end = i;
    int64_t elements = 0;
    while (end < params.size() && params[end].routed == params[i].routed) {
      elements += params[end++].size();
    }
    if (params[i].routed == routed) body(params[i].offset, elements);
    i = end;
  }
}

}  // namespace

StepGradients::StepGradients(const Layout& layout, Ranks& ranks, int64_t shards,
                             bool experts_divided)
    : layout_(layout), ranks_(ranks), total_shards_(shards), divided_(experts_divided) {
  int64_t parts = this->shards();
  if (ranks.rank() == 0) parts = std::min<int64_t>(parts, 2);
  if (divided_) parts = ranks.size();
  for (int64_t i = 0; i < parts; ++i) parts_.emplace_back(static_cast<size_t>(layout.size) * 4);
}

/// Adds a part to the first.
void StepGradients::fold(size_t from) {
  const float* x = part(from);
  float* sum = part(0);
  for (int64_t i = 0; i < layout_.size; ++i) sum[i] += x[i];
}

std::vector<float*> StepGradients::begin(int64_t i) {
  const auto clear = [&](float* x) { std::memset(x, 0, static_cast<size_t>(layout_.size) * 4); };
  if (!divided_) {
    size_t at = static_cast<size_t>(i);
    if (ranks_.rank() == 0) {
      if (i > 1) fold(1);
      at = std::min<size_t>(at, 1);
    }
    clear(part(at));
    return {part(at)};
  }
  std::vector<float*> all;
  for (size_t r = 0; r < parts_.size(); ++r) {
    all.push_back(part(r));
    if (r == static_cast<size_t>(ranks_.rank())) {
      clear(part(r));
    } else {
      each_range(layout_, true, [&](int64_t at, int64_t n) {
        std::memset(part(r) + at, 0, static_cast<size_t>(n) * 4);
      });
    }
  }
  return all;
}

float* StepGradients::sum() {
  if (divided_) {
    sum_divided();
    return part(0);
  }
  if (ranks_.rank() == 0 && shards() > 1) fold(1);
  if (ranks_.size() == 1) return part(0);
  std::vector<float*> mine;
  std::vector<int64_t> parts_of;
  for (int r = 0; r < ranks_.size(); ++r) parts_of.push_back(r == 0 ? 1 : shards_of(r));
  for (int64_t i = 0; i < parts_of[ranks_.rank()]; ++i) mine.push_back(part(i));
  sum_in_order(ranks_, mine, parts_of, layout_.size, part(0));
  return part(0);
}

void StepGradients::sum_divided() {
  const std::vector<int64_t> parts_of(parts_.size(), 1);
  each_range(layout_, false, [&](int64_t at, int64_t n) {
    float* mine = part(ranks_.rank()) + at;
    sum_in_order(ranks_, {&mine, 1}, parts_of, n, part(0) + at);
  });
  each_range(layout_, true, [&](int64_t at, int64_t n) {
    for (size_t r = 1; r < parts_.size(); ++r) {
      for (int64_t i = at; i < at + n; ++i) part(0)[i] += part(r)[i];
    }
  });
}

}  // namespace fathom::train
