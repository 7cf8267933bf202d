// The attention operator on BF16 products with F32 accumulation and softmax: blocks of 64 queries
// against all keys before them, so that memory grows with the sequence and not with its square.
#pragma once

#include "train/attention_core.h"

namespace fathom::train {

void attention_head_forward(Context<float>& c, const AttentionData<float>& d, int64_t b, int64_t h,
                            int thread);
void attention_head_backward(Context<float>& c, const AttentionData<float>& d, int64_t b, int64_t h,
                             int thread);

}  // namespace fathom::train
