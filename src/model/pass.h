// What every part of one forward pass shares: where each row belongs, its rotary angles, scratch
// memory, and products shared out over the threads.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "checkpoint/config.h"
#include "kernels/activations.h"
#include "kernels/ops.h"
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

/// The latent cache's layout in a page: [layers + MTP layers][64][kv_latent_dim], F32 or BF16.
struct CacheLayout {
  DType dtype = DType::kF32;
  int64_t latent = 0;
  int64_t layers = 0;

  size_t layer_bytes() const {
    return static_cast<size_t>(kCachePage * latent) * dtype_size(dtype);
  }
  size_t page_bytes() const { return layer_bytes() * static_cast<size_t>(layers); }
};

class Pass {
 public:
  Pass(const ModelConfig& config, const Kernels& kernels, Numerics numerics, ThreadPool& pool);

  /// Starts a pass over these rows: computes their rotary angles.
  void begin(std::vector<RowPlace> rows);

  const ModelConfig& config() const { return config_; }
  const Kernels& kernels() const { return kernels_; }
  Numerics numerics() const { return numerics_; }
  ThreadPool& pool() const { return pool_; }
  const CacheLayout& cache() const { return cache_; }
  float softmax_scale() const { return softmax_scale_; }
  std::span<const double> frequencies() const { return frequencies_; }
  const std::vector<RowPlace>& rows() const { return rows_; }
  std::span<const float> cos(int64_t row) const { return angle_row(cos_, row); }
  std::span<const float> sin(int64_t row) const { return angle_row(sin_, row); }

  /// y = x W^T, output columns shared out over the threads.
  void linear(const Activations& x, const WeightView& w, Mat<float> y) const;
  /// Rows of x normalized into y, which may be x.
  void rms_norm(Mat<const float> x, std::span<const float> weight, Mat<float> y) const;

  /// Scratch of one part; a part's memory is its own until the pass ends.
  struct AttentionScratch {
    ActivationBuffer in, q_in, out_in;
    Scratch q_low, q, kv, heads;
    std::vector<Scratch> queries, latents;  // per thread
  } attention;
  struct MlpScratch {
    ActivationBuffer in, middle_in;
    Scratch gate, up;
  } mlp;
  struct MoeScratch {
    ActivationBuffer in;
    Scratch scores, weights, gathered, expert_out, slots;
    std::vector<int32_t> ids;
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
  CacheLayout cache_;
  std::vector<double> frequencies_;  // [qk_rope_head_dim / 2]
  float rope_magnitude_;
  float softmax_scale_;
  std::vector<RowPlace> rows_;
  std::vector<float> cos_, sin_;  // [rows, qk_rope_head_dim / 2]
};

}  // namespace fathom
