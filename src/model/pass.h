// What every part of one forward pass shares: where each row belongs, its rotary angles, scratch
// memory, and products shared out over the threads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "checkpoint/config.h"
#include "kernels/activations.h"
#include "kernels/ops.h"
#include "model/op_profile.h"
#include "tensor/buffer.h"
#include "tensor/mat_view.h"

namespace fathom {

/// A matrix that keeps its memory from pass to pass and grows when it must.
class Scratch {
 public:
  Mat<float> get(int64_t rows, int64_t cols);

 private:
  Buffer buffer_;
};

/// One row of the ragged batch.
struct RowPlace {
  int64_t position = 0;
  std::span<std::byte* const> pages;
};

/// A pass's rows and their rotary angles.
struct PlacedRows {
  std::vector<RowPlace> places;
  std::vector<float> cos, sin;  // [rows, qk_rope_head_dim / 2]
};

/// The latent cache's layout in a page: [layers + MTP layers][64][stride], F32 or BF16. The stride
/// is kv_latent_dim made even, the odd element 0.
struct CacheLayout {
  DType dtype = DType::kF32;
  int64_t latent = 0;
  int64_t layers = 0;

  int64_t stride() const { return latent + latent % 2; }
  size_t layer_bytes() const {
    return static_cast<size_t>(kCachePage * stride()) * dtype_size(dtype);
  }
  size_t page_bytes() const { return layer_bytes() * static_cast<size_t>(layers); }
};

/// y = x W^T.
struct Product {
  const Activations& x;
  const WeightView& w;
  Mat<float> y;
};

/// Outputs [first, last) of the matrix-th of some matrices: what one thread computes at a time.
struct Piece {
  int64_t matrix;
  int64_t first;
  int64_t last;
};

/// In the order in which they are handed out; those of each NUMA node (ThreadPool::plan) up to its
/// end.
struct Pieces {
  std::span<const Piece> all;
  std::span<const int64_t> ends;

  const Piece& operator[](int64_t i) const { return all[static_cast<size_t>(i)]; }
};

class Pass {
  static constexpr int64_t kWorthCutting = 64;  // rows of a product
  // Of one thread, about, with what it needs in a cache.
  static constexpr double kWeightNs = 0.03;  // to read and widen one
  static constexpr double kValueNs = 0.3;    // to go over one a few times

 public:
  static constexpr double kMultiplyAddNs = 0.005;

  /// Work of less than worth_sharing_ns stays with one thread (TransformerOptions).
  Pass(const ModelConfig& config, const Kernels& kernels, Numerics numerics, ThreadPool& pool,
       double worth_sharing_ns);

  /// Computes the rotary angles of rows.places.
  void turn(PlacedRows& rows) const;
  /// What follows is of these rows, which stay as long.
  void go_on_with(const PlacedRows& rows) { rows_ = &rows; }

  const ModelConfig& config() const { return config_; }
  const Kernels& kernels() const { return kernels_; }
  Numerics numerics() const { return numerics_; }
  ThreadPool& pool() const { return pool_; }
  const CacheLayout& cache() const { return cache_; }
  float softmax_scale() const { return softmax_scale_; }
  std::span<const double> frequencies() const { return frequencies_; }
  const std::vector<RowPlace>& rows() const { return rows_->places; }
  std::span<const float> cos(int64_t row) const { return angle_row(rows_->cos, row); }
  std::span<const float> sin(int64_t row) const { return angle_row(rows_->sin, row); }

  /// Cuts the outputs of matrices, so many each, into pieces of whole panels, to be handed out in
  /// this order. A piece has several panels, because memory gives most to those who walk several at
  /// once and activations that were fetched serve all of them; towards the end pieces get smaller,
  /// so that threads end together. All but a matrix's last have a multiple of `least` panels.
  /// Pieces of one NUMA node's panels, of all matrices, come before the next node's. Valid until
  /// the next call.
  Pieces cut(std::span<const int64_t> outputs, int64_t least = 1) const;
  /// The same, the first matrix's pieces in turns with the others'. For one that many rows take, so
  /// that it is bound by arithmetic, among such as few take, which are bound by memory: threads
  /// then use both at once.
  Pieces cut_in_turns(std::span<const int64_t> outputs, int64_t least) const;
  /// Products of equally many rows, whose outputs are shared out over the threads together.
  void linear(std::initializer_list<Product> products) const;
  void linear(const Activations& x, const WeightView& w, Mat<float> y) const {
    linear({{x, w, y}});
  }
  /// Whether work that takes one thread about that long should be shared out.
  bool worth_sharing(double ns) const { return ns >= worth_sharing_ns_; }
  /// Calls job(item, thread) for each item, or for those up to ends (ThreadPool::run): on all
  /// threads where that is worth it, else on this one.
  template <typename Job>
  void share(double ns, int64_t items, Job&& job) const {
    if (worth_sharing(ns)) return pool_.run(items, job);
    for (int64_t i = 0; i < items; ++i) job(i, 0);
  }
  template <typename Job>
  void share(double ns, std::span<const int64_t> ends, Job&& job) const {
    if (worth_sharing(ns)) return pool_.run(ends, job);
    for (int64_t i = 0; i < ends.back(); ++i) job(i, 0);
  }
  /// The same for rows of so many values, which are read and written a few times.
  template <typename Job>
  void for_rows(int64_t rows, int64_t values, Job&& job) const {
    share(kValueNs * static_cast<double>(rows * values), rows, job);
  }
  /// How long a thread takes to multiply rows by so many weights, in ns.
  static double product_ns(int64_t rows, int64_t weights) {
    return (kWeightNs + kMultiplyAddNs * static_cast<double>(rows)) * static_cast<double>(weights);
  }
  /// x in the form that this pass's numerics ask for.
  Activations prepare(ActivationBuffer& buffer, Mat<const float> x) const;
  /// One row normalized into y, which may be x.
  void rms_norm(std::span<const float> x, std::span<const float> weight, float* y) const;
  /// All rows of x.
  void rms_norm(Mat<const float> x, std::span<const float> weight, Mat<float> y) const;

  /// Where operations add their time; null for nowhere. Not owned.
  OpProfile* profile = nullptr;

  /// Scratch of one part; a part's memory is its own until the pass ends.
  struct AttentionScratch {
    ActivationBuffer in, q_in, out_in;
    Scratch q_low, q, kv, heads, queries, latents, states, parts, part_states;
    std::vector<ActivationBuffer> head_in;  // per thread
  } attention;
  struct MlpScratch {
    ActivationBuffer middle_in;
    Scratch middle;
    std::vector<Scratch> tiles;  // per thread
  } mlp;
  struct MoeScratch {
    ActivationBuffer in;
    Scratch scores, weights, slot_weights;
    std::vector<int32_t> ids, slot_rows;
  } moe;

 private:
  std::span<const float> angle_row(const std::vector<float>& angles, int64_t row) const {
    return std::span(angles).subspan(static_cast<size_t>(row) * frequencies_.size(),
                                     frequencies_.size());
  }

  const ModelConfig& config_;
  const Kernels& kernels_;
  Numerics numerics_;
  ThreadPool& pool_;
  const double worth_sharing_ns_;
  CacheLayout cache_;
  std::vector<double> frequencies_;  // [qk_rope_head_dim / 2]
  float rope_magnitude_;
  float softmax_scale_;
  const PlacedRows* rows_ = nullptr;
  mutable std::vector<Piece> pieces_, turns_;
  mutable std::vector<int64_t> piece_ends_;
};

}  // namespace fathom
