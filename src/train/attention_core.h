// Causal attention over whole sequences, forward and backward, in the naive (not absorbed) form.
#pragma once

#include "train/context.h"

namespace fathom::train {

/// The tensors of one call; gradients are written (not added to). Rows are tokens, [batch * seq].
template <typename T>
struct AttentionData {
  const T* q = nullptr;       // [tokens, heads, nope + rope], rotated
  const T* kv = nullptr;      // [tokens, heads, nope + v]
  const T* k_rope = nullptr;  // [tokens, rope], rotated, shared by the heads
  T* out = nullptr;           // [tokens, heads, v]
  T* lse = nullptr;           // [batch, heads, seq]

  const T* d_out = nullptr;
  T* d_q = nullptr;
  T* d_kv = nullptr;
  T* d_k_rope = nullptr;  // [tokens, heads, rope]: the caller adds the heads up
};

template <typename T>
void attention_forward(Context<T>& c, const AttentionData<T>& d);
template <typename T>
void attention_backward(Context<T>& c, const AttentionData<T>& d);

}  // namespace fathom::train
