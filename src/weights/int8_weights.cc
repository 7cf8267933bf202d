#include "weights/int8_weights.h"

#include <spdlog/spdlog.h>

#include <ctime>

#include "base/seconds.h"
#include "weights/numa_panels.h"
#include "weights/product_matrices.h"

namespace fathom {
namespace {

int64_t row_bytes(const WeightView& w) {
  return w.cols * static_cast<int64_t>(dtype_size(w.dtype));
}

size_t one_panel(const ProductMatrix& m) {
  return m.router ? panel_bytes(row_bytes(m.from)) : int8_panel_bytes(m.from.cols);
}

size_t all_panels(const ProductMatrix& m) {
  return static_cast<size_t>(ceil_div(m.from.rows, kPanelRows)) * one_panel(m);
}

WeightView regroup(const ProductMatrix& m, const Kernels& kernels, ThreadPool& pool,
                   std::byte* to) {
  const size_t panel = one_panel(m);
  pool.run(ceil_div(m.from.rows, kPanelRows), [&](int64_t p, int) {
    const MemoryFrom memory(node_of_panel(pool.plan(), p, m.from.rows));
    std::byte* out = to + static_cast<size_t>(p) * panel;
    m.router ? kernels.pack_panel(m.from, p, out) : pack_int8_panel(m.from, p, out);
  });
  WeightView view = m.from;
  view.data = to;
  view.layout = WeightLayout::kPanels;
  if (!m.router) {
    view.dtype = DType::kI8;
    view.scale = nullptr;  // they lie in the panels
  }
  return view;
}

}  // namespace

Int8Weights::Int8Weights(ModelWeights& weights, const Kernels& kernels, ThreadPool& pool,
                         const RegroupProgress& progress) {
  const double start = seconds_of(CLOCK_MONOTONIC);
  const std::vector<ProductMatrix> matrices = product_matrices(weights);
  uint64_t total = 0;
  for (const ProductMatrix& m : matrices) total += all_panels(m);
  region_ = HugeRegion(total);
  const ThreadPool::Burst burst(pool);
  uint64_t done = 0;
  for (const ProductMatrix& m : matrices) {
    if (&m != &matrices.back()) fetch_ahead((&m + 1)->from);
    const WeightView view = regroup(m, kernels, pool, region_.data() + done);
    for (WeightView* turned : m.views) *turned = view;
    weights.checkpoint().release(m.from.data, m.from.bytes());
    done += all_panels(m);
    if (progress) progress(done, total);
  }
  seconds_ = seconds_of(CLOCK_MONOTONIC) - start;
  spdlog::info("weights: {:.2f} GB regrouped as INT8 in {:.1f} s", static_cast<double>(total) / 1e9,
               seconds_);
}

}  // namespace fathom
