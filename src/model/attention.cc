#include <algorithm>
#include <vector>

#include "model/layers.h"
#include "tensor/float_formats.h"

namespace fathom {
namespace {

// Queries (heads of rows) that are absorbed and attended together: what they need stays in the
// cache.
constexpr int64_t kQueriesAtOnce = 8192;

// What the steps of one layer's attention share.
struct Layer {
  Pass& pass;
  const AttentionWeights& weights;
  const AbsorbedWeights& heads;
  int64_t index;

  const ModelConfig& config() const { return pass.config(); }
};

void store(const Layer& layer, const RowPlace& place, std::span<const float> latent) {
  const CacheLayout& cache = layer.pass.cache();
  std::byte* page = place.pages[static_cast<size_t>(place.position / kCachePage)];
  std::byte* entry =
      page + static_cast<size_t>(layer.index) * cache.layer_bytes() +
      static_cast<size_t>(place.position % kCachePage * cache.stride()) * dtype_size(cache.dtype);
  if (cache.dtype == DType::kF32) {
    auto* to = reinterpret_cast<float*>(entry);
    std::copy(latent.begin(), latent.end(), to);
    if (cache.latent % 2) to[cache.latent] = 0;
  } else {
    auto* to = reinterpret_cast<uint16_t*>(entry);
    layer.pass.kernels().round_bf16(latent, to);
    if (cache.latent % 2) to[cache.latent] = 0;
  }
}

// Normalizes and rotates a row's latent and shared key, and puts them into its page.
void write_cache(const Layer& layer, int64_t row, std::span<float> kv) {
  const auto rank = static_cast<size_t>(layer.config().kv_lora_rank);
  layer.pass.rms_norm(kv.first(rank), layer.weights.kv_a_norm, kv.data());
  layer.pass.kernels().rope(kv.subspan(rank), layer.pass.cos(row), layer.pass.sin(row));
  store(layer, layer.pass.rows()[static_cast<size_t>(row)], kv);
}

// Queries [rows, heads * qk_head_dim], not yet rotated; each row's latent is in its page after it.
Mat<float> project(const Layer& layer, const Activations& x) {
  Pass& pass = layer.pass;
  const OpTimer timer(pass.profile, Op::kQueriesAndLatent);
  auto& scratch = pass.attention;
  const AttentionWeights& w = layer.weights;
  const ModelConfig& c = pass.config();
  const Mat<float> kv = scratch.kv.get(x.rows(), c.kv_latent_dim());
  const Mat<float> q = scratch.q.get(x.rows(), c.num_attention_heads * c.qk_head_dim());
  if (w.q_proj) {
    pass.linear({{x, w.q_proj, q}, {x, w.kv_a, kv}});
    pass.for_rows(kv.rows, kv.cols, [&](int64_t r, int) { write_cache(layer, r, kv.row_span(r)); });
    return q;
  }
  const Mat<float> low = scratch.q_low.get(x.rows(), c.q_lora_rank);
  pass.linear({{x, w.q_a, low}, {x, w.kv_a, kv}});
  const Activations low_in = scratch.q_in.reserve(pass.numerics(), low);
  pass.for_rows(kv.rows, kv.cols + low.cols, [&](int64_t r, int) {
    write_cache(layer, r, kv.row_span(r));
    pass.rms_norm(low.row_span(r), w.q_a_norm, low.row(r));
    fill_row(pass.kernels(), low_in, r);
  });
  pass.linear(low_in, w.q_b, q);
  return q;
}

// One head's columns of a matrix with a head's block in each row.
Mat<float> head_of(Mat<float> m, int64_t head, int64_t width) {
  return m.cols_from(head * width, width);
}

// Room for what a head's weights take: BF16 where the cache is BF16, else unrounded, as the
// published w8a8 inference dequantizes these weights.
Activations head_input(Pass& pass, Mat<const float> x, int thread) {
  const Numerics numerics =
      pass.cache().dtype == DType::kBF16 ? Numerics::kNative : Numerics::kExact;
  return pass.attention.head_in[static_cast<size_t>(thread)].reserve(numerics, x);
}

// One head's queries of all rows to the latent: [.., rank] absorbed, then the rotated part.
void absorb(const Layer& layer, int64_t head, int64_t first_row, Mat<float> q, Mat<float> query,
            int thread) {
  const ModelConfig& c = layer.config();
  Pass& pass = layer.pass;
  const Mat<float> nope = q.cols_from(0, c.qk_nope_head_dim);
  const Activations in = head_input(pass, nope, thread);
  for (int64_t r = 0; r < q.rows; ++r) fill_row(pass.kernels(), in, r);
  pass.kernels().linear(in, layer.heads.key(head), 0, c.kv_lora_rank,
                        query.cols_from(0, c.kv_lora_rank));
  for (int64_t r = 0; r < q.rows; ++r) {
    const auto rotary = query.row_span(r).subspan(static_cast<size_t>(c.kv_lora_rank));
    std::copy_n(q.row(r) + c.qk_nope_head_dim, c.qk_rope_head_dim, rotary.begin());
    pass.kernels().rope(rotary, pass.cos(first_row + r), pass.sin(first_row + r));
  }
}

// Queries that one call of attend takes: heads of one row, or all heads of several rows of one
// sequence.
struct QueryGroup {
  int64_t first;  // query, counted as row * heads + head from the chunk's first row
  int64_t count;
  int64_t row;    // of the pass, the first
  int64_t parts;  // of the longest of its rows
};

std::vector<QueryGroup> group_queries(const Layer& layer, int64_t first_row, int64_t rows) {
  const int64_t heads = layer.config().num_attention_heads;
  const auto& places = layer.pass.rows();
  const int64_t rows_at_once = std::max<int64_t>(1, kAttendRows / heads);
  std::vector<QueryGroup> groups;
  for (int64_t r = 0; r < rows;) {
    const RowPlace& place = places[static_cast<size_t>(first_row + r)];
    int64_t count = 1;
    while (count < rows_at_once && r + count < rows) {
      const RowPlace& next = places[static_cast<size_t>(first_row + r + count)];
      if (next.pages.data() != place.pages.data() || next.position != place.position + count) break;
      ++count;
    }
    const int64_t parts = ceil_div(place.position + count, kAttendPart);
    for (int64_t h = 0; h < count * heads; h += kAttendRows) {
      groups.push_back(
          {r * heads + h, std::min(kAttendRows, count * heads - h), first_row + r, parts});
    }
    r += count;
  }
  return groups;
}

void attend(const Layer& layer, const QueryGroup& group, Mat<const float> queries,
            int64_t first_part, int64_t last_part, const AttendState& state) {
  const Pass& pass = layer.pass;
  const int64_t heads = layer.config().num_attention_heads;
  const RowPlace& place = pass.rows()[static_cast<size_t>(group.row)];
  int64_t lengths[kAttendRows];
  for (int64_t i = 0; i < group.count; ++i) {
    lengths[i] = place.position + 1 + (group.first % heads + i) / heads;
  }
  AttendArgs args;
  args.q = queries.rows_from(group.first, group.count);
  args.lengths = lengths;
  args.pages = place.pages;
  args.layer_offset = static_cast<size_t>(layer.index) * pass.cache().layer_bytes();
  args.cache_dtype = pass.cache().dtype;
  args.latent_stride = pass.cache().stride();
  args.kv_lora_rank = layer.config().kv_lora_rank;
  args.softmax_scale = pass.softmax_scale();
  pass.kernels().attend(args, first_part, last_part, state);
}

AttendState part_of(const AttendState& state, int64_t first, int64_t count) {
  return {state.out.rows_from(first, count), state.top + first, state.total + first};
}

AttendState make_states(int64_t count, int64_t rank, Scratch& out, Scratch& sums) {
  float* top = sums.get(2, count).data;
  return {out.get(count, rank), top, top + count};
}

// How long a thread takes: queries meet keys, and weights values.
double attend_ns(const Layer& layer, std::span<const QueryGroup> groups) {
  const ModelConfig& c = layer.config();
  double pairs = 0;
  for (const QueryGroup& group : groups) {
    const int64_t length = layer.pass.rows()[static_cast<size_t>(group.row)].position + 1;
    pairs += static_cast<double>(group.count * length);
  }
  return Pass::kMultiplyAddNs * pairs * static_cast<double>(c.kv_latent_dim() + c.kv_lora_rank);
}

// All groups over their whole length. Few groups are cut into parts, so that every thread has work;
// the merge is the same either way.
void attend_all(const Layer& layer, std::span<const QueryGroup> groups, Mat<const float> queries,
                const AttendState& state) {
  Pass& pass = layer.pass;
  struct Item {
    const QueryGroup* group;
    int64_t part;
    int64_t first_state;  // of part_states, for parts after the first
  };
  const auto few = static_cast<size_t>(4 * pass.pool().threads());
  const double ns = attend_ns(layer, groups);
  if (groups.size() >= few || !pass.worth_sharing(ns)) {
    pass.share(ns, static_cast<int64_t>(groups.size()), [&](int64_t item, int) {
      const QueryGroup& group = groups[static_cast<size_t>(item)];
      attend(layer, group, queries, 0, group.parts, part_of(state, group.first, group.count));
    });
    return;
  }
  std::vector<Item> items;
  int64_t extra = 0;
  for (const QueryGroup& group : groups) {
    for (int64_t part = 0; part < group.parts; ++part) {
      items.push_back({&group, part, extra});
      if (part > 0) extra += group.count;
    }
  }
  const AttendState others =
      make_states(extra, state.out.cols, pass.attention.parts, pass.attention.part_states);
  const auto state_of = [&](const Item& item) {
    return item.part == 0 ? part_of(state, item.group->first, item.group->count)
                          : part_of(others, item.first_state, item.group->count);
  };
  pass.pool().run(static_cast<int64_t>(items.size()), [&](int64_t i, int) {
    const Item& item = items[static_cast<size_t>(i)];
    attend(layer, *item.group, queries, item.part, item.part + 1, state_of(item));
  });
  if (extra == 0) return;
  // Query by query: heads share nothing.
  pass.for_rows(state.out.rows, extra * state.out.cols / state.out.rows, [&](int64_t query, int) {
    for (const Item& item : items) {
      const int64_t at = query - item.group->first;
      if (item.part == 0 || at < 0 || at >= item.group->count) continue;
      pass.kernels().merge(part_of(state, query, 1), part_of(others, item.first_state + at, 1));
    }
  });
}

// q [rows, heads * qk_head_dim] to [rows, heads * latent].
Mat<float> absorb_heads(const Layer& layer, int64_t first_row, Mat<float> q) {
  const ModelConfig& c = layer.config();
  Pass& pass = layer.pass;
  const OpTimer timer(pass.profile, Op::kAbsorb);
  const int64_t latent = c.kv_latent_dim();
  const Mat<float> queries = pass.attention.queries.get(q.rows, c.num_attention_heads * latent);
  const int64_t weights = c.num_attention_heads * c.qk_nope_head_dim * c.kv_lora_rank;
  const double ns = Pass::product_ns(q.rows, weights);
  pass.share(ns, c.num_attention_heads, [&](int64_t head, int thread) {
    absorb(layer, head, first_row, head_of(q, head, c.qk_head_dim()),
           head_of(queries, head, latent), thread);
  });
  return queries;
}

// What was attended, divided by its sums, to values [rows, heads * v_head_dim].
void expand_values(const Layer& layer, const AttendState& state, Mat<float> values) {
  const ModelConfig& c = layer.config();
  Pass& pass = layer.pass;
  const OpTimer timer(pass.profile, Op::kValues);
  const int64_t heads = c.num_attention_heads;
  const Mat<float> latents(state.out.data, values.rows, heads * c.kv_lora_rank);
  const double ns = Pass::product_ns(values.rows, heads * c.v_head_dim * c.kv_lora_rank);
  pass.share(ns, heads, [&](int64_t head, int thread) {
    const Mat<float> out = head_of(latents, head, c.kv_lora_rank);
    const Activations in = head_input(pass, out, thread);
    for (int64_t r = 0; r < values.rows; ++r) {
      const float total = state.total[r * heads + head];
      for (float& v : out.row_span(r)) v /= total;
      fill_row(pass.kernels(), in, r);
    }
    pass.kernels().linear(in, layer.heads.value(head), 0, c.v_head_dim,
                          head_of(values, head, c.v_head_dim));
  });
}

// Rows [first, first + q.rows) of the pass, from queries to the heads' values.
void attend_rows(const Layer& layer, int64_t first, Mat<float> q, Mat<float> values) {
  Pass& pass = layer.pass;
  const Mat<float> queries = absorb_heads(layer, first, q);
  const int64_t latent = layer.config().kv_latent_dim();
  const int64_t count = q.rows * layer.config().num_attention_heads;
  const AttendState state = make_states(count, layer.config().kv_lora_rank, pass.attention.latents,
                                        pass.attention.states);
  {
    const OpTimer timer(pass.profile, Op::kAttend);
    attend_all(layer, group_queries(layer, first, q.rows), {queries.data, count, latent}, state);
  }
  expand_values(layer, state, values);
}

}  // namespace

void attention(Pass& pass, const AttentionWeights& w, const AbsorbedWeights& heads, int64_t layer,
               Mat<const float> x, Mat<float> y) {
  const ModelConfig& c = pass.config();
  const Layer self{pass, w, heads, layer};
  const Mat<float> q = project(self, pass.prepare(pass.attention.in, x));
  const Mat<float> values = pass.attention.heads.get(x.rows, c.num_attention_heads * c.v_head_dim);
  const int64_t at_once = std::max<int64_t>(1, kQueriesAtOnce / c.num_attention_heads);
  for (int64_t first = 0; first < x.rows; first += at_once) {
    const int64_t count = std::min(at_once, x.rows - first);
    attend_rows(self, first, q.rows_from(first, count), values.rows_from(first, count));
  }
  const OpTimer timer(pass.profile, Op::kAttentionOut);
  pass.linear(pass.prepare(pass.attention.out_in, values), w.o, y);
}

}  // namespace fathom
