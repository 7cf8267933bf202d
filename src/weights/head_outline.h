// The head in half of its bytes: enough to tell which tokens a draw may choose.
//
// Drawing a token needs the exact logits of the few ids that can win, not of all 129,280. From the
// head rounded to INT8 come estimates of all logits, and with what the rounding lost of each row a
// bound on how far they are off; only what lies within the bounds of the best is computed from the
// head itself. The draw is the same to the last bit.
#pragma once

#include <cstddef>
#include <span>

#include "tensor/mat_view.h"

namespace fathom {

/// Views of a rounded head, [vocab, hidden].
struct HeadOutline {
  WeightView codes;             ///< INT8 panels (kernels/int8.h)
  std::span<const float> norm;  ///< of each row of codes: its length (L2), or a little more
  std::span<const float> lost;  ///< the length of what rounding took from the row

  explicit operator bool() const { return bool(codes); }
};

/// Bytes of the outline of such a head.
size_t outline_bytes(const WeightView& head);

/// Makes one in `to`, which must be aligned to a line (64 bytes), panel by panel.
class OutlineBuilder {
 public:
  /// `head` is row-major.
  OutlineBuilder(const WeightView& head, std::byte* to);
  /// 64 rows. Any order, each once.
  void add_panel(int64_t panel);
  /// Once all are there.
  HeadOutline outline() const;

 private:
  const WeightView head_;
  std::byte* const panels_;
  const std::span<float> norm_, lost_;
};

/// How far a logit of `outline` can be from the exact one: sets margin[v] so that
///
///   |sum of x * w_v - sum of codes of x * codes of w_v| <= margin[v]
///
/// holds for both sums as any set of kernels computes them, in F32. `length` is x's (L2) and `lost`
/// the length of what rounding x to its codes took. NaN where x or the row holds one, or an
/// infinity.
void bound_estimates(const HeadOutline& outline, double length, double lost,
                     std::span<float> margin);

}  // namespace fathom
