// y = x W^T and its two gradients, in the formats of operand.h.
#pragma once

#include <cstdint>

#include "base/thread_pool.h"
#include "tensor/buffer.h"
#include "train/operand.h"

namespace fathom::train {

/// E4M3 codes and 128x128 scales of W [out, in], as the exported checkpoint holds them.
/// `codes` [out, in], `scale` [ceil(out / 128), ceil(in / 128)].
void quantize_weight(const float* w, int64_t out, int64_t in, uint8_t* codes, float* scale);

/// One weight matrix [out, in] at `offset` of the parameters, and its copies in the operand
/// layouts. Products of a row range are serial, so that a caller may share ranges out; wgrad and
/// the *_all forms use the pool themselves. Each element's sum runs in one order, whatever the
/// sharing.
template <typename T>
class Linear {
 public:
  Linear() = default;
  Linear(int64_t out, int64_t in, int64_t offset, Format format)
      : out_(out), in_(in), offset_(offset), format_(format) {}

  int64_t out() const { return out_; }
  int64_t in() const { return in_; }
  Format format() const { return format_; }

  /// Takes the weights from `params`; they must stay in place until the next load.
  void load(const T* params);

  /// Rows first .. first + count of y (row `first` at y) from the same rows of x.
  void forward(const Rows<T>& x, int64_t first, int64_t count, T* y, int64_t ldy) const;
  /// dx (+)= dy W for those rows; row `first` at dx.
  void dgrad(const Rows<T>& dy, int64_t first, int64_t count, T* dx, int64_t ldx, bool add) const;
  /// grads[offset] += dy^T x over K rows 128 * tile .. 128 * tile + rows; output rows out0 .. out1.
  void wgrad(const Pairs<T>& dy, const Pairs<T>& x, int64_t tile, int64_t rows, int64_t out0,
             int64_t out1, T* grads) const;

  void forward_all(ThreadPool& pool, const Rows<T>& x, T* y, int64_t ldy) const;
  void dgrad_all(ThreadPool& pool, const Rows<T>& dy, T* dx, int64_t ldx, bool add) const;
  void wgrad_all(ThreadPool& pool, const Pairs<T>& dy, const Pairs<T>& x, T* grads) const;

 private:
  void pack(const float* w);

  int64_t out_ = 0, in_ = 0, offset_ = 0;
  Format format_ = Format::kDense;
  const T* dense_ = nullptr;
  Buffer fprop_, fprop_scale_;  // pairs layout of W^T: rows are outputs, K the inputs
  Buffer dgrad_, dgrad_scale_;  // pairs layout of W: rows are inputs, K the outputs
};

extern template class Linear<float>;
extern template class Linear<double>;

}  // namespace fathom::train
