#include "weights/weight_mover.h"

#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <utility>

#include "base/worker_thread.h"
#include "weights/numa_panels.h"

namespace fathom {
namespace {

constexpr auto kPoll = std::chrono::milliseconds(1);
constexpr size_t kWorthReleasing = 64 << 10;  // the system maps that much around a touched page
constexpr int kNiceness = 10;                 // a request's threads come first, but never alone

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

uint64_t panels_bytes(const WeightView& w) {
  return packed_bytes(w.rows, w.cols * static_cast<int64_t>(dtype_size(w.dtype)));
}

// Whether a matrix is a head of at least so many weights, in more bytes than its outline would
// have.
bool outlined(const ProductMatrix& matrix, int64_t weights) {
  const WeightView& w = matrix.from;
  return !matrix.outlines.empty() && w.dtype != DType::kF8E4M3 && w.rows * w.cols >= weights;
}

uint64_t outlines_of(const std::vector<ProductMatrix>& matrices, int64_t weights) {
  uint64_t bytes = 0;
  for (const ProductMatrix& m : matrices) bytes += outlined(m, weights) ? outline_bytes(m.from) : 0;
  return bytes;
}

}  // namespace

WeightMover::Pass::Pass(WeightMover& mover) : lock_(mover.in_use_) { mover.adopt(); }

WeightMover::WeightMover(ModelWeights& weights, const Kernels& kernels, NumaPlan plan,
                         int64_t outlined_weights)
    : checkpoint_(weights.checkpoint()),
      kernels_(kernels),
      plan_(std::move(plan)),
      outlined_weights_(outlined_weights),
      matrices_(product_matrices(weights)),
      started_(now()) {
  for (const ProductMatrix& m : matrices_) total_bytes_ += panels_bytes(m.from);
  region_ = HugeRegion(total_bytes_ + outlines_of(matrices_, outlined_weights_));
  status_.total_bytes = total_bytes_;
  thread_ = worker_thread([this] { work(); });
}

WeightMover::~WeightMover() {
  stop_ = true;
  thread_.join();
}

void WeightMover::work() {
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kNiceness);
  spdlog::info("weights: moving {:.2f} GB from the mapped files into huge pages",
               static_cast<double>(total_bytes_) / 1e9);
  for (const ProductMatrix& matrix : matrices_) {
    // While this one is packed the disk fetches the next, all of it at once.
    if (&matrix != &matrices_.back()) fetch_ahead((&matrix + 1)->from);
    const WeightView packed = pack(matrix);
    const HeadOutline outline =
        outlined(matrix, outlined_weights_) ? this->outline(matrix) : HeadOutline();
    if (stop_) return;
    {
      const std::lock_guard lock(mutex_);
      ready_.push_back({&matrix, packed, outline});
      pending_bytes_ += panels_bytes(packed);
    }
    settle(kPending);
  }
  settle(0);
  if (stop_) return;
  const std::lock_guard lock(mutex_);
  status_.seconds = now() - started_;
  status_.finished = true;
  status_.panels = {region_.data(), used_};
  done_.notify_all();
  spdlog::info("weights: moved in {:.1f} s", status_.seconds);
}

uint64_t WeightMover::outlines_bytes(ModelWeights& weights) {
  return outlines_of(product_matrices(weights), kOutlinedWeights);
}

std::byte* WeightMover::take(size_t bytes) {
  return region_.data() + std::exchange(used_, used_ + bytes);
}

/// Calls panel(p) for each of so many rows' panels, its memory where it belongs.
template <typename Panel>
void WeightMover::for_panels(int64_t rows, Panel&& panel) {
  for (int node = 0; node < std::ssize(plan_.nodes()); ++node) {
    const MemoryFrom memory(plan_.nodes()[static_cast<size_t>(node)]);
    const auto [begin, end] = node_panels(plan_, node, rows);
    for (int64_t p = begin; p < end && !stop_; ++p) panel(p);
  }
}

WeightView WeightMover::pack(const ProductMatrix& matrix) {
  WeightView packed = matrix.from;
  packed.finite = packed.dtype == DType::kF8E4M3;
  std::byte* to = take(panels_bytes(matrix.from));
  const size_t panel = panel_bytes(packed.cols * static_cast<int64_t>(dtype_size(packed.dtype)));
  for_panels(packed.rows, [&](int64_t p) {
    std::byte* const out = to + static_cast<size_t>(p) * panel;
    kernels_.pack_panel(matrix.from, p, out);
    packed.finite = packed.finite && !holds_nan({out, panel});
  });
  packed.data = to;
  packed.layout = WeightLayout::kPanels;
  return packed;
}

HeadOutline WeightMover::outline(const ProductMatrix& matrix) {
  OutlineBuilder builder(matrix.from, take(outline_bytes(matrix.from)));
  for_panels(matrix.from.rows, [&](int64_t p) { builder.add_panel(p); });
  return builder.outline();
}

// Turns the views of what is ready; in_use_ is held.
void WeightMover::adopt() {
  const std::lock_guard lock(mutex_);
  for (const auto& [matrix, packed, outline] : ready_) {
    for (WeightView* view : matrix->views) *view = packed;
    for (HeadOutline* view : matrix->outlines) *view = outline;
    status_.moved_bytes += panels_bytes(packed);
    adopted_.push_back(matrix);
  }
  ready_.clear();
}

// Gives the old places back, and waits for passes to turn to the new ones until no more than that
// many bytes are in memory twice.
void WeightMover::settle(uint64_t most_pending) {
  for (;;) {
    // A pass adopts as it begins; between passes, and without any, this thread does.
    if (in_use_.try_lock()) {
      adopt();
      in_use_.unlock();
    }
    std::vector<const ProductMatrix*> adopted;
    {
      const std::lock_guard lock(mutex_);
      adopted.swap(adopted_);
    }
    for (const ProductMatrix* m : adopted) {
      if (m->from.bytes() >= kWorthReleasing) checkpoint_.release(m->from.data, m->from.bytes());
    }
    {
      const std::lock_guard lock(mutex_);
      for (const ProductMatrix* m : adopted) pending_bytes_ -= panels_bytes(m->from);
      if (pending_bytes_ <= most_pending || stop_) return;
    }
    std::this_thread::sleep_for(kPoll);
  }
}

WeightMoveStatus WeightMover::status() const {
  const std::lock_guard lock(mutex_);
  WeightMoveStatus status = status_;
  if (!status.finished) status.seconds = now() - started_;
  return status;
}

void WeightMover::wait() const {
  std::unique_lock lock(mutex_);
  done_.wait(lock, [&] { return status_.finished; });
}

}  // namespace fathom
