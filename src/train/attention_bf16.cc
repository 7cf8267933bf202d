#include "train/attention_bf16.h"

#include <algorithm>
#include <cstring>

namespace fathom::train {
namespace {

constexpr int64_t kQueries = 64;  // of a block

enum Slot {
  kKeys,
  kKeysWide,
  kKeysTall,
  kValues,
  kQueryRows,
  kScores,
  kWeights,
  kGrads,
  kPacked,
  kOutRows,
  kBlockPairsQ,
  kBlockPairsO,
  kKeyGrad
};

int64_t panels(int64_t n) { return round_up(n, kPanel) / kPanel; }

/// Pairs layout with K along the columns of BF16 rows [rows, ld words].
void transpose_words(const uint32_t* rows_words, int64_t rows, int64_t ld, uint32_t* out) {
  for (int64_t r0 = 0; r0 < rows; r0 += kPanel) {
    uint32_t* panel = out + r0 / kPanel * ld * kPanel;
    const int64_t n = std::min(kPanel, rows - r0);
    for (int64_t k = 0; k < ld; ++k) {
      uint32_t* to = panel + k * kPanel;
      const uint32_t* from = rows_words + r0 * ld + k;
      for (int64_t r = 0; r < n; ++r) to[r] = from[r * ld];
      std::fill(to + n, to + kPanel, 0u);
    }
  }
}

Side rows_side(const uint32_t* words, int64_t ld) {
  return {words, ld, 1, kPanel * ld, nullptr, 0, 0, 0};
}

Side pairs_side(const uint32_t* words, int64_t pairs) {
  return {words, 1, kPanel, pairs * kPanel, nullptr, 0, 0, 0};
}

/// C [rows, cols] (+)= A B^T.
void multiply(const Side& a, const Side& b, int64_t rows, int64_t cols, int64_t pairs, float* c,
              int64_t ldc, bool add) {
  Product p;
  p.a = a;
  p.b = b;
  p.c = c;
  p.ldc = ldc;
  p.row1 = rows;
  p.panel1 = panels(cols);
  p.cols = cols;
  p.pairs = pairs;
  p.accumulate = add;
  table().product(p);
}

/// One head's views and packed operands, in the thread's scratch.
struct HeadWork {
  const AttentionData<float>& d;
  const Context<float>& c;
  Scratch<float>& scratch;
  int64_t b, h;
  int64_t seq = c.seq, heads = c.config.num_attention_heads;
  int64_t nope = c.config.qk_nope_head_dim, rope = c.config.qk_rope_head_dim;
  int64_t dk = nope + rope, dv = c.config.v_head_dim;
  int64_t k_words = (dk + 1) / 2, v_words = (dv + 1) / 2, seq_pairs = (seq + 1) / 2;
  int64_t first = b * seq;

  uint32_t* words(Slot slot, int64_t n) {
    return reinterpret_cast<uint32_t*>(scratch.get(slot, n));
  }
  SourceRows rows_of(const float* x, int64_t width, int64_t skip, int64_t cols, int64_t t,
                     int64_t count) const {
    return {x + ((first + t) * heads + h) * width + skip, heads * width, nullptr, count, cols};
  }
  int64_t start(int64_t t) const { return c.segment ? c.segment[first + t] : 0; }
  /// The first key that queries from t0 on may look at, rounded down to a panel: what lies before
  /// is left out of the products.
  int64_t first_key(int64_t t0) const { return start(t0) / kPanel * kPanel; }

  const float* key_rows() {
    float* keys = scratch.get(kKeys, seq * dk);
    for (int64_t t = 0; t < seq; ++t) {
      std::memcpy(keys + t * dk, d.kv + ((first + t) * heads + h) * (nope + dv), nope * 4);
      std::memcpy(keys + t * dk + nope, d.k_rope + (first + t) * rope, rope * 4);
    }
    return keys;
  }

  /// Keys as the right side over dk (K along the head's dimensions).
  const uint32_t* keys_wide(const float* keys) {
    uint32_t* rows = words(kQueryRows, seq * std::max(k_words, v_words));
    table().rows_bf16({keys, dk, nullptr, seq, dk}, rows, k_words);
    uint32_t* wide = words(kKeysWide, panels(seq) * k_words * kPanel);
    transpose_words(rows, seq, k_words, wide);
    return wide;
  }

  const uint32_t* query_rows() {
    uint32_t* rows = words(kQueryRows, seq * std::max(k_words, v_words));
    table().rows_bf16(rows_of(d.q, dk, 0, dk, 0, seq), rows, k_words);
    return rows;
  }

  void forward() {
    const uint32_t* wide = keys_wide(key_rows());
    const uint32_t* queries = query_rows();
    uint32_t* values = words(kValues, panels(dv) * seq_pairs * kPanel);
    table().pairs_bf16(rows_of(d.kv, nope + dv, nope, dv, 0, seq), values, seq_pairs * kPanel);
    float* scores = scratch.get(kScores, kQueries * seq);
    uint32_t* weights = words(kWeights, kQueries * seq_pairs);
    for (int64_t t0 = 0; t0 < seq; t0 += kQueries) {
      const int64_t n = std::min(kQueries, seq - t0), k0 = first_key(t0), keys = t0 + n - k0;
      const int64_t key_pairs = (keys + 1) / 2;
      multiply(rows_side(queries + t0 * k_words, k_words), pairs_side(wide + k0 * k_words, k_words),
               n, keys, k_words, scores, seq, false);
      for (int64_t i = 0; i < n; ++i) {
        float* row = scores + i * seq;
        const int64_t begin = start(t0 + i) - k0, end = t0 + i + 1 - k0;
        table().softmax(row + begin, end - begin, c.softmax_scale,
                        d.lse + (b * heads + h) * seq + t0 + i);
        std::fill(row, row + begin, 0.0f);
        std::fill(row + end, row + keys, 0.0f);
      }
      table().rows_bf16({scores, seq, nullptr, n, keys}, weights, key_pairs);
      multiply(rows_side(weights, key_pairs), pairs_side(values + k0 / 2 * kPanel, seq_pairs), n,
               dv, key_pairs, d.out + ((first + t0) * heads + h) * dv, heads * dv, false);
    }
  }

  void backward() {
    const float* keys_f32 = key_rows();
    const uint32_t* wide = keys_wide(keys_f32);
    uint32_t* tall = words(kKeysTall, panels(dk) * seq_pairs * kPanel);
    table().pairs_bf16({keys_f32, dk, nullptr, seq, dk}, tall, seq_pairs * kPanel);
    uint32_t* value_rows = words(kOutRows, seq * v_words);
    table().rows_bf16(rows_of(d.kv, nope + dv, nope, dv, 0, seq), value_rows, v_words);
    uint32_t* values = words(kValues, panels(seq) * v_words * kPanel);
    transpose_words(value_rows, seq, v_words, values);
    table().rows_bf16(rows_of(d.d_out, dv, 0, dv, 0, seq), value_rows, v_words);
    const uint32_t* queries = query_rows();

    float* d_keys = scratch.get(kKeyGrad, seq * dk);
    std::fill_n(d_keys, seq * dk, 0.0f);
    float* d_kv = d.d_kv + (first * heads + h) * (nope + dv);
    for (int64_t t = 0; t < seq; ++t) std::fill_n(d_kv + t * heads * (nope + dv) + nope, dv, 0.0f);
    for (int64_t t0 = 0; t0 < seq; t0 += kQueries) {
      backward_block(t0, wide, tall, values, queries, value_rows, d_keys, d_kv + nope);
    }
    for (int64_t t = 0; t < seq; ++t) {
      std::memcpy(d_kv + t * heads * (nope + dv), d_keys + t * dk, nope * 4);
      std::memcpy(d.d_k_rope + ((first + t) * heads + h) * rope, d_keys + t * dk + nope, rope * 4);
    }
  }

  void backward_block(int64_t t0, const uint32_t* wide, const uint32_t* tall,
                      const uint32_t* values, const uint32_t* queries, const uint32_t* d_out_rows,
                      float* d_keys, float* d_values) {
    const int64_t n = std::min(kQueries, seq - t0), k0 = first_key(t0), keys = t0 + n - k0;
    const int64_t key_pairs = (keys + 1) / 2, n_pairs = (n + 1) / 2;
    float* p = scratch.get(kScores, kQueries * seq);
    float* ds = scratch.get(kGrads, kQueries * seq);
    multiply(rows_side(queries + t0 * k_words, k_words), pairs_side(wide + k0 * k_words, k_words),
             n, keys, k_words, p, seq, false);
    multiply(rows_side(d_out_rows + t0 * v_words, v_words),
             pairs_side(values + k0 * v_words, v_words), n, keys, v_words, ds, seq, false);
    for (int64_t i = 0; i < n; ++i) {
      float* row = p + i * seq;
      float* d_row = ds + i * seq;
      const int64_t begin = start(t0 + i) - k0, end = t0 + i + 1 - k0;
      table().exp_shift(row + begin, end - begin, c.softmax_scale,
                        d.lse[(b * heads + h) * seq + t0 + i]);
      table().softmax_back(row + begin, d_row + begin, end - begin, c.softmax_scale);
      for (float* x : {row, d_row}) {
        std::fill(x, x + begin, 0.0f);
        std::fill(x + end, x + keys, 0.0f);
      }
    }
    uint32_t* weights = words(kWeights, kQueries * seq_pairs);
    table().rows_bf16({ds, seq, nullptr, n, keys}, weights, key_pairs);
    multiply(rows_side(weights, key_pairs), pairs_side(tall + k0 / 2 * kPanel, seq_pairs), n, dk,
             key_pairs, d.d_q + ((first + t0) * heads + h) * dk, heads * dk, false);

    uint32_t* packed = words(kPacked, panels(seq) * kQueries / 2 * kPanel);
    uint32_t* block = words(kBlockPairsQ, panels(std::max(dk, dv)) * kQueries / 2 * kPanel);
    table().pairs_bf16({ds, seq, nullptr, n, keys}, packed, n_pairs * kPanel);
    table().pairs_bf16(rows_of(d.q, dk, 0, dk, t0, n), block, n_pairs * kPanel);
    multiply(pairs_side(packed, n_pairs), pairs_side(block, n_pairs), keys, dk, n_pairs,
             d_keys + k0 * dk, dk, true);
    table().pairs_bf16({p, seq, nullptr, n, keys}, packed, n_pairs * kPanel);
    table().pairs_bf16(rows_of(d.d_out, dv, 0, dv, t0, n), block, n_pairs * kPanel);
    multiply(pairs_side(packed, n_pairs), pairs_side(block, n_pairs), keys, dv, n_pairs,
             d_values + k0 * heads * (nope + dv), heads * (nope + dv), true);
  }
};

}  // namespace

void attention_head_forward(Context<float>& c, const AttentionData<float>& d, int64_t b, int64_t h,
                            int thread) {
  HeadWork{d, c, c.scratch[thread], b, h}.forward();
}

void attention_head_backward(Context<float>& c, const AttentionData<float>& d, int64_t b, int64_t h,
                             int thread) {
  HeadWork{d, c, c.scratch[thread], b, h}.backward();
}

}  // namespace fathom::train
