// Attention over the latent cache in F32, a page of positions at a time with a running maximum:
// scores with lanes along the latent, softmax with lanes along the positions, the weighted sum with
// lanes along the latent again. What a row adds, and in which order, depends on its own length
// alone.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/avx2/table.h"
#include "kernels/avx2/vectors.h"
#include "tensor/buffer.h"

namespace fathom::avx2 {
namespace {

constexpr float kNothing = -INFINITY;
constexpr int64_t kTileRows = 4;  // queries at a time in either product

int64_t round_up(int64_t n, int64_t to) { return ceil_div(n, to) * to; }

/// A thread's working memory.
struct Memory {
  Buffer queries;  // [rows + padding, latent rounded up to 8]
  Buffer keys;     // [64, the same]
  Buffer out;      // [rows + padding, rank rounded up to 8] of the part at hand
  Buffer scores{size_t{kAttendRows} * kCachePage * sizeof(float)};
  alignas(32) float top[kAttendRows], total[kAttendRows], shrink[kAttendRows];

  static float* reserve(Buffer& buffer, int64_t floats) {
    const auto bytes = static_cast<size_t>(floats) * sizeof(float);
    if (buffer.size() < bytes) buffer = Buffer(bytes);
    return buffer.as<float>();
  }
};

Memory& memory() {
  thread_local Memory instance;
  return instance;
}

struct Work {
  const AttendArgs& args;
  int64_t rows;
  int64_t width;      // floats from one query or key to the next
  int64_t out_width;  // floats from one row of `out` to the next
  float* queries;
  float* keys;
  float* out;
};

// The page's first `count` entries as floats, zeros up to the width.
void read_keys(const Work& work, int64_t position, int64_t count) {
  const AttendArgs& args = work.args;
  const std::byte* block =
      args.pages[static_cast<size_t>(position / kCachePage)] + args.layer_offset;
  for (int64_t t = 0; t < count; ++t) {
    float* to = work.keys + t * work.width;
    const int64_t latent = args.q.cols;
    if (args.cache_dtype == DType::kF32) {
      std::memcpy(to, block + t * args.latent_stride * 4, static_cast<size_t>(latent) * 4);
    } else {
      const auto* from = reinterpret_cast<const uint16_t*>(block) + t * args.latent_stride;
      int64_t i = 0;
      for (; i + 8 <= latent; i += 8) {
        _mm256_store_ps(to + i,
                        widen_bf16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i))));
      }
      for (; i < latent; ++i) {
        const uint32_t bits = static_cast<uint32_t>(from[i]) << 16;
        std::memcpy(to + i, &bits, sizeof bits);
      }
    }
    std::fill(to + latent, to + work.width, 0.0f);
  }
}

// Scores of four queries against the page: three keys at a time, then one.
template <int T>
void score_tile(const Work& work, int64_t row, int64_t t, float* scores) {
  __m256 sum[kTileRows][T] = {};
  const float* q = work.queries + row * work.width;
  const float* k = work.keys + t * work.width;
  for (int64_t i = 0; i < work.width; i += 8) {
#pragma GCC unroll 3
    for (int j = 0; j < T; ++j) {
      const __m256 key = _mm256_load_ps(k + j * work.width + i);
#pragma GCC unroll 4
      for (int r = 0; r < kTileRows; ++r) {
        sum[r][j] = _mm256_fmadd_ps(_mm256_load_ps(q + r * work.width + i), key, sum[r][j]);
      }
    }
  }
  for (int r = 0; r < kTileRows; ++r) {
    for (int j = 0; j < T; ++j) {
      scores[(row + r) * kCachePage + t + j] = sum_lanes(sum[r][j]) * work.args.softmax_scale;
    }
  }
}

void score_page(const Work& work, int64_t count, float* scores) {
  for (int64_t row = 0; row < work.rows; row += kTileRows) {
    int64_t t = 0;
    for (; t + 3 <= count; t += 3) score_tile<3>(work, row, t, scores);
    for (; t < count; ++t) score_tile<1>(work, row, t, scores);
  }
}

// From one row's scores to weights exp(score - top); those past its length are 0.
void softmax_row(int64_t row, int64_t length, Memory& m) {
  float* scores = m.scores.as<float>() + row * kCachePage;
  for (int64_t t = std::max<int64_t>(length, 0); t < kCachePage; ++t) scores[t] = kNothing;
  __m256 top8 = _mm256_load_ps(scores);
  for (int64_t t = 8; t < kCachePage; t += 8) {
    top8 = _mm256_max_ps(top8, _mm256_load_ps(scores + t));
  }
  alignas(32) float lanes[8];
  _mm256_store_ps(lanes, top8);
  const float before = m.top[row];
  const float top = std::max(before, *std::max_element(lanes, lanes + 8));
  // A row that has seen nothing yet keeps -infinity; subtract 0 there, so that exp gives 0.
  const float base = top == kNothing ? 0.0f : top;
  __m256 sum = _mm256_setzero_ps();
  for (int64_t t = 0; t < kCachePage; t += 8) {
    const __m256 p = exp_ps(_mm256_sub_ps(_mm256_load_ps(scores + t), _mm256_set1_ps(base)));
    _mm256_store_ps(scores + t, p);
    sum = _mm256_add_ps(sum, p);
  }
  m.shrink[row] = _mm256_cvtss_f32(exp_ps(_mm256_set1_ps(before - base)));
  m.total[row] = std::fma(m.total[row], m.shrink[row], sum_lanes(sum));
  m.top[row] = top;
}

// out = out * shrink + the page's weighted entries: four rows, 24 or 8 columns at a time.
template <int V>
void weigh_tile(const Work& work, int64_t row, int64_t column, int64_t count, const Memory& m) {
  __m256 sum[kTileRows][V] = {};
  const float* weights = m.scores.as<float>() + row * kCachePage;
  for (int64_t t = 0; t < count; ++t) {
    __m256 key[V];
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) {
      key[v] = _mm256_load_ps(work.keys + t * work.width + column + v * 8);
    }
#pragma GCC unroll 4
    for (int r = 0; r < kTileRows; ++r) {
      const __m256 p = _mm256_broadcast_ss(weights + r * kCachePage + t);
#pragma GCC unroll 3
      for (int v = 0; v < V; ++v) sum[r][v] = _mm256_fmadd_ps(p, key[v], sum[r][v]);
    }
  }
  for (int r = 0; r < kTileRows; ++r) {
    const __m256 shrink = _mm256_set1_ps(m.shrink[row + r]);
    for (int v = 0; v < V; ++v) {
      float* at = work.out + (row + r) * work.out_width + column + v * 8;
      _mm256_store_ps(at, _mm256_fmadd_ps(_mm256_load_ps(at), shrink, sum[r][v]));
    }
  }
}

void weigh_page(const Work& work, int64_t count, const Memory& m) {
  for (int64_t row = 0; row < work.rows; row += kTileRows) {
    int64_t column = 0;
    for (; column + 24 <= work.out_width; column += 24) {
      weigh_tile<3>(work, row, column, count, m);
    }
    for (; column < work.out_width; column += 8) weigh_tile<1>(work, row, column, count, m);
  }
}

void attend_part(const Work& work, int64_t part, const AttendState& state) {
  Memory& m = memory();
  const int64_t first = part * kAttendPart;
  int64_t end = first;
  for (int64_t r = 0; r < work.rows; ++r) end = std::max(end, work.args.lengths[r]);
  end = std::min(end, first + kAttendPart);
  std::fill_n(m.top, kAttendRows, kNothing);
  std::fill_n(m.total, kAttendRows, 0.0f);
  std::fill_n(m.shrink, kAttendRows, 0.0f);
  std::memset(work.out, 0,
              static_cast<size_t>(round_up(work.rows, kTileRows) * work.out_width) * 4);
  for (int64_t begin = first; begin < end; begin += kCachePage) {
    const int64_t count = std::min(kCachePage, end - begin);
    read_keys(work, begin, count);
    score_page(work, count, m.scores.as<float>());
    for (int64_t r = 0; r < work.rows; ++r) softmax_row(r, work.args.lengths[r] - begin, m);
    weigh_page(work, count, m);
  }
  for (int64_t r = 0; r < work.rows; ++r) {
    std::memcpy(state.out.row(r), work.out + r * work.out_width,
                static_cast<size_t>(work.args.kv_lora_rank) * sizeof(float));
    state.top[r] = m.top[r];
    state.total[r] = m.total[r];
  }
}

}  // namespace

void attend(const AttendArgs& args, int64_t first, int64_t last, const AttendState& state) {
  FATHOM_CHECK(args.q.rows <= kAttendRows);
  Memory& m = memory();
  Work work{args,    args.q.rows, round_up(args.q.cols, 8), round_up(args.kv_lora_rank, 8), nullptr,
            nullptr, nullptr};
  const int64_t padded = round_up(work.rows, kTileRows);
  work.queries = Memory::reserve(m.queries, padded * work.width);
  work.keys = Memory::reserve(m.keys, kCachePage * work.width);
  work.out = Memory::reserve(m.out, padded * work.out_width);
  std::memset(work.queries, 0, static_cast<size_t>(padded * work.width) * sizeof(float));
  for (int64_t r = 0; r < work.rows; ++r) {
    std::copy_n(args.q.row(r), args.q.cols, work.queries + r * work.width);
  }
  attend_part(work, first, state);
  if (last - first < 2) return;
  thread_local Buffer later_out;
  float top[kAttendRows], total[kAttendRows];
  const AttendState later{
      {Memory::reserve(later_out, work.rows * args.kv_lora_rank), work.rows, args.kv_lora_rank},
      top,
      total};
  for (int64_t part = first + 1; part < last; ++part) {
    attend_part(work, part, later);
    merge(state, later);
  }
}

void merge(const AttendState& earlier, const AttendState& later) {
  for (int64_t r = 0; r < earlier.out.rows; ++r) {
    const float top = std::max(earlier.top[r], later.top[r]);
    const float base = top == kNothing ? 0.0f : top;
    const __m256 a = exp_ps(_mm256_set1_ps(earlier.top[r] - base));
    const __m256 b = exp_ps(_mm256_set1_ps(later.top[r] - base));
    float* x = earlier.out.row(r);
    const float* y = later.out.row(r);
    for (int64_t i = 0; i < earlier.out.cols; i += 8) {
      const int64_t left = earlier.out.cols - i;
      store_first(
          x + i, left,
          _mm256_fmadd_ps(load_first(x + i, left), a, _mm256_mul_ps(load_first(y + i, left), b)));
    }
    earlier.total[r] =
        std::fma(earlier.total[r], _mm256_cvtss_f32(a), later.total[r] * _mm256_cvtss_f32(b));
    earlier.top[r] = top;
  }
}

}  // namespace fathom::avx2
