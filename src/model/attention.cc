#include <algorithm>

#include "model/layers.h"
#include "tensor/float_formats.h"

namespace fathom {
namespace {

// Heads of one row that a thread takes at a time.
constexpr int64_t kHeadChunk = 8;

// [rows, heads * qk_head_dim], not yet rotated.
Mat<float> project_queries(Pass& pass, const AttentionWeights& w, const Activations& x) {
  auto& scratch = pass.attention;
  const ModelConfig& c = pass.config();
  const Mat<float> q = scratch.q.get(x.rows(), c.num_attention_heads * c.qk_head_dim());
  if (w.q_proj) {
    pass.linear(x, w.q_proj, q);
    return q;
  }
  const Mat<float> low = scratch.q_low.get(x.rows(), c.q_lora_rank);
  pass.linear(x, w.q_a, low);
  pass.rms_norm(low, w.q_a_norm, low);
  pass.linear(scratch.q_in.prepare(pass.kernels(), pass.numerics(), low), w.q_b, q);
  return q;
}

void store(const CacheLayout& cache, const RowPlace& place, int64_t layer,
           std::span<const float> latent) {
  std::byte* page = place.pages[static_cast<size_t>(place.position / kCachePage)];
  std::byte* entry =
      page + static_cast<size_t>(layer) * cache.layer_bytes() +
      static_cast<size_t>(place.position % kCachePage * cache.latent) * dtype_size(cache.dtype);
  if (cache.dtype == DType::kF32) {
    std::copy(latent.begin(), latent.end(), reinterpret_cast<float*>(entry));
  } else {
    std::transform(latent.begin(), latent.end(), reinterpret_cast<uint16_t*>(entry), f32_to_bf16);
  }
}

// Normalizes and rotates each row's latent and shared key, and puts them into its page.
void write_cache(Pass& pass, const AttentionWeights& w, int64_t layer, const Activations& x) {
  const ModelConfig& c = pass.config();
  const Mat<float> kv = pass.attention.kv.get(x.rows(), c.kv_latent_dim());
  pass.linear(x, w.kv_a, kv);
  pass.rms_norm(kv.cols_from(0, c.kv_lora_rank), w.kv_a_norm, kv.cols_from(0, c.kv_lora_rank));
  for (int64_t r = 0; r < kv.rows; ++r) {
    const auto key = kv.row_span(r).subspan(static_cast<size_t>(c.kv_lora_rank));
    pass.kernels().rope(key, pass.cos(r), pass.sin(r));
    store(pass.cache(), pass.rows()[static_cast<size_t>(r)], layer, kv.row_span(r));
  }
}

// Some heads of one row, from queries to values. q: [heads * qk_head_dim] of the row, out:
// [heads * v_head_dim].
void attend_heads(Pass& pass, const AttentionWeights& w, int64_t layer, int64_t row, int64_t first,
                  int64_t count, int thread, std::span<float> q, std::span<float> out) {
  const ModelConfig& c = pass.config();
  const int64_t nope = c.qk_nope_head_dim, value = c.v_head_dim;
  const Mat<float> absorbed =
      pass.attention.queries[static_cast<size_t>(thread)].get(count, c.kv_latent_dim());
  const Mat<float> latents =
      pass.attention.latents[static_cast<size_t>(thread)].get(count, c.kv_lora_rank);

  for (int64_t i = 0; i < count; ++i) {
    const auto head = q.subspan(static_cast<size_t>((first + i) * c.qk_head_dim()),
                                static_cast<size_t>(c.qk_head_dim()));
    const auto rotary = head.subspan(static_cast<size_t>(nope));
    pass.kernels().rope(rotary, pass.cos(row), pass.sin(row));
    const auto query = absorbed.row_span(i);
    pass.kernels().linear_transposed(head.first(static_cast<size_t>(nope)), w.kv_b,
                                     (first + i) * (nope + value),
                                     query.first(static_cast<size_t>(c.kv_lora_rank)));
    std::copy(rotary.begin(), rotary.end(), query.begin() + c.kv_lora_rank);
  }

  const RowPlace& place = pass.rows()[static_cast<size_t>(row)];
  AttendArgs args;
  args.q = absorbed;
  args.pages = place.pages;
  args.layer_offset = static_cast<size_t>(layer) * pass.cache().layer_bytes();
  args.cache_dtype = pass.cache().dtype;
  args.length = place.position + 1;
  args.kv_lora_rank = c.kv_lora_rank;
  args.softmax_scale = pass.softmax_scale();
  args.out = latents;
  pass.kernels().attend(args, 0, count);

  // The value rows of kv_b take the latents unrounded, whatever the numerics.
  for (int64_t i = 0; i < count; ++i) {
    Activations latent;
    latent.f32 = latents.rows_from(i, 1);
    const int64_t begin = (first + i) * (nope + value) + nope;
    pass.kernels().linear(latent, w.kv_b, begin, begin + value,
                          {out.data() + (first + i) * value, 1, value});
  }
}

}  // namespace

void attention(Pass& pass, const AttentionWeights& w, int64_t layer, Mat<const float> x,
               Mat<float> y) {
  const ModelConfig& c = pass.config();
  const Activations in = pass.attention.in.prepare(pass.kernels(), pass.numerics(), x);
  const Mat<float> q = project_queries(pass, w, in);
  write_cache(pass, w, layer, in);

  const Mat<float> heads = pass.attention.heads.get(x.rows, c.num_attention_heads * c.v_head_dim);
  const int64_t chunks = ceil_div(c.num_attention_heads, kHeadChunk);
  pass.pool().run(x.rows * chunks, [&](int64_t item, int thread) {
    const int64_t row = item / chunks, first = item % chunks * kHeadChunk;
    attend_heads(pass, w, layer, row, first, std::min(kHeadChunk, c.num_attention_heads - first),
                 thread, q.row_span(row), heads.row_span(row));
  });
  pass.linear(pass.attention.out_in.prepare(pass.kernels(), pass.numerics(), heads), w.o, y);
}

}  // namespace fathom
