#include "bench/step_cost.h"

#include <algorithm>

#include "kernels/int8.h"
#include "tensor/mat_view.h"

namespace fathom::bench {
namespace {

// Rows of activations against a [rows, cols] matrix that is read once.
class Counter {
 public:
  Counter(const ModelConfig& config, Numerics numerics, bool outlined, StepCost& cost)
      : config_(config), int8_(numerics == Numerics::kInt8), outlined_(outlined), cost_(cost) {}

  void product(Op op, int64_t out, int64_t in, int64_t activations, bool always_bf16 = false) {
    read(op, out, in, 1, always_bf16);
    multiply(op, out, in, activations);
  }
  void read(Op op, int64_t out, int64_t in, int64_t matrices, bool always_bf16 = false) {
    double bytes = 2.0 * static_cast<double>(out * in);
    if (takes_int8(op)) {
      bytes = static_cast<double>(out) * static_cast<double>(int8_panel_bytes(in)) / kPanelRows;
    } else if (config_.fp8 && !always_bf16) {
      bytes = static_cast<double>(out * in +
                                  4 * ceil_div(out, kScaleBlock) * ceil_div(in, kScaleBlock));
    }
    at(op).bytes += bytes * static_cast<double>(matrices);
  }
  void multiply(Op op, int64_t out, int64_t in, int64_t activations) {
    double& count = takes_int8(op) ? at(op).int8 : at(op).flops;
    count += 2.0 * static_cast<double>(out * in) * static_cast<double>(activations);
  }
  // All products but those of attention over the cache and the router's.
  bool takes_int8(Op op) const {
    if (op == Op::kHead && outlined_) return true;
    return int8_ && op != Op::kAbsorb && op != Op::kAttend && op != Op::kValues &&
           op != Op::kRouter;
  }
  OpCost& at(Op op) { return cost_.ops[static_cast<size_t>(op)]; }

 private:
  const ModelConfig& config_;
  const bool int8_;
  const bool outlined_;
  StepCost& cost_;
};

void count_attention(const ModelConfig& c, std::span<const SequenceRows> sequences, int64_t rows,
                     int64_t cache_element, Counter& counter) {
  const int64_t heads = c.num_attention_heads;
  if (c.q_lora_rank == 0) {
    counter.product(Op::kQueriesAndLatent, heads * c.qk_head_dim(), c.hidden_size, rows);
  } else {
    counter.product(Op::kQueriesAndLatent, c.q_lora_rank, c.hidden_size, rows);
    counter.product(Op::kQueriesAndLatent, heads * c.qk_head_dim(), c.q_lora_rank, rows);
  }
  counter.product(Op::kQueriesAndLatent, c.kv_latent_dim(), c.hidden_size, rows);
  counter.product(Op::kAbsorb, heads * c.qk_nope_head_dim, c.kv_lora_rank, rows);
  counter.product(Op::kValues, heads * c.v_head_dim, c.kv_lora_rank, rows);
  counter.product(Op::kAttentionOut, c.hidden_size, heads * c.v_head_dim, rows);
  for (const SequenceRows& s : sequences) {
    const int64_t positions = s.rows * s.start + s.rows * (s.rows + 1) / 2;  // seen by its rows
    counter.multiply(Op::kAttend, heads, c.kv_latent_dim() + c.kv_lora_rank, positions);
    counter.at(Op::kAttend).bytes +=
        static_cast<double>((s.start + s.rows) * c.kv_latent_dim() * cache_element);
  }
}

}  // namespace

OpCost StepCost::total() const {
  OpCost sum;
  for (const OpCost& op : ops) {
    sum.bytes += op.bytes;
    sum.flops += op.flops;
    sum.int8 += op.int8;
  }
  return sum;
}

double OpCost::roof(const CeilingRates& rates) const {
  return std::max(bytes / rates.read_bytes, flops / rates.bf16_flops + int8 / rates.int8_flops);
}

double StepCost::roof(const CeilingRates& rates) const {
  double seconds = 0;
  for (const OpCost& op : ops) seconds += op.roof(rates);
  return seconds;
}

StepCost step_cost(const ModelConfig& c, std::span<const SequenceRows> sequences,
                   int64_t experts_read, Numerics numerics, bool outlined) {
  StepCost cost;
  const auto cache_element = static_cast<int64_t>(dtype_size(cache_dtype(numerics)));
  Counter counter(c, numerics, outlined, cost);
  int64_t all_rows = 0, last_rows = 0, logit_rows = 0;
  for (const SequenceRows& s : sequences) {
    all_rows += s.rows;
    last_rows += s.all_hidden ? s.rows : s.logit_rows;
    logit_rows += s.logit_rows;
  }
  for (int64_t layer = 0; layer < c.num_hidden_layers; ++layer) {
    count_attention(c, sequences, all_rows, cache_element, counter);
    const int64_t rows = layer + 1 < c.num_hidden_layers ? all_rows : last_rows;
    if (rows == 0) continue;
    if (!c.is_moe_layer(layer)) {
      counter.product(Op::kMlp, 3 * c.intermediate_size, c.hidden_size, rows);
      continue;
    }
    counter.product(Op::kRouter, c.n_routed_experts, c.hidden_size, rows, true);
    counter.multiply(Op::kExperts, 3 * c.moe_intermediate_size, c.hidden_size,
                     rows * c.num_experts_per_tok);
    if (c.n_shared_experts > 0) {
      counter.product(Op::kExperts, 3 * c.n_shared_experts * c.moe_intermediate_size, c.hidden_size,
                      rows);
    }
  }
  counter.read(Op::kExperts, 3 * c.moe_intermediate_size, c.hidden_size, experts_read);
  if (logit_rows > 0) counter.product(Op::kHead, c.vocab_size, c.hidden_size, logit_rows, true);
  return cost;
}

}  // namespace fathom::bench
