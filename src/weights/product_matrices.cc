#include "weights/product_matrices.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <unordered_map>
#include <utility>

namespace fathom {
namespace {

class Lister {
 public:
  void add(WeightView& view, bool router = false) {
    if (!view) return;
    const auto [place, added] = places_.emplace(view.data, matrices_.size());
    if (added) matrices_.push_back({{}, view, router});
    matrices_[place->second].views.push_back(&view);
  }
  void add_head(WeightView& view, HeadOutline& outline) {
    add(view);
    matrices_[places_.at(view.data)].outlines.push_back(&outline);
  }
  void add(MlpWeights& w) {
    add(w.gate);
    add(w.up);
    add(w.down);
  }
  std::vector<ProductMatrix> take() { return std::move(matrices_); }

 private:
  std::vector<ProductMatrix> matrices_;
  std::unordered_map<const void*, size_t> places_;  // of each matrix in matrices_
};

}  // namespace

std::vector<ProductMatrix> product_matrices(ModelWeights& weights) {
  Lister lister;
  const auto every_layer = [&](const auto& visit) {
    for (LayerWeights& layer : weights.layers) visit(layer);
    for (MtpWeights& mtp : weights.mtp) visit(mtp.layer);
  };
  every_layer([&](LayerWeights& layer) {
    AttentionWeights& a = layer.attention;
    for (WeightView* view : {&a.q_proj, &a.q_a, &a.q_b, &a.kv_a, &a.o}) lister.add(*view);
    if (layer.mlp) lister.add(*layer.mlp);
    if (layer.moe) lister.add(layer.moe->router, true);
    if (layer.moe && layer.moe->shared) lister.add(*layer.moe->shared);
  });
  lister.add_head(weights.head, weights.head_outline);
  for (MtpWeights& mtp : weights.mtp) {
    lister.add(mtp.eh_proj);
    lister.add_head(mtp.head, mtp.head_outline);
  }
  every_layer([&](LayerWeights& layer) {
    if (!layer.moe) return;
    for (MlpWeights& expert : layer.moe->experts) lister.add(expert);
  });
  return lister.take();
}

// Of a mapping; a tensor that lies elsewhere is in memory already.
void fetch_ahead(const WeightView& w) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto address = reinterpret_cast<uintptr_t>(w.data);
  const uintptr_t begin = address / page * page;
  madvise(reinterpret_cast<void*>(begin), address + w.bytes() - begin, MADV_WILLNEED);
}

}  // namespace fathom
