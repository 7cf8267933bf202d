// Attention over the latent cache in F32, a page of positions at a time with a running maximum:
// scores and softmax with lanes along the queries, the weighted sum with lanes along the latent.
// What a row adds, and in which order, depends on its own length alone.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/avx2/linear.h"
#include "kernels/avx2/table.h"
#include "kernels/avx2/vectors.h"

namespace fathom::avx2 {
namespace {

constexpr float kNothing = -INFINITY;

// NOTES: scores are tiles of 6 positions x 16 queries: 12 sums, 2 vectors of queries and a key's
// value leave a register. So many latents of 16 queries, 12 KB, stay in the first cache while the
// page's keys pass; of a key 4 bytes are read for 16 products.
constexpr int kTilePositions = 6;
constexpr int64_t kTileLatents = 192;
constexpr int kTileRows = 4;        // of the weighted sum: by 24 columns
constexpr int64_t kStepsALine = 4;  // of a tile of scores, which asks for a line of the next page
constexpr int64_t kLine = 64;

int64_t round_up(int64_t n, int64_t to) { return ceil_div(n, to) * to; }

/// A thread's working memory.
struct Memory {
  Buffer queries;  // [latent rounded up to 8][rows rounded up to 8]
  Buffer keys;     // [64][latent rounded up to 8]
  Buffer out;      // [rows rounded up to 8][rank rounded up to 8] of the part at hand
  Buffer later;    // [rows][rank] of the part after it
  Buffer scores{size_t{kAttendRows} * kCachePage * sizeof(float)};  // [64][rows rounded up to 8]
  alignas(32) float top[kAttendRows], total[kAttendRows], shrink[kAttendRows];
};

Memory& memory() {
  thread_local Memory instance;
  return instance;
}

/// What will be read soon, asked for a few lines at a time.
class Ahead {
 public:
  Ahead() = default;
  Ahead(const std::byte* at, int64_t bytes) : at_(at), end_(at + bytes) {}

  /// Where the next `lines` lines begin; the last ones again when there are no more.
  const std::byte* take(int64_t lines) {
    const std::byte* at = at_;
    if (end_ - at_ > lines * kLine) at_ += lines * kLine;
    return at;
  }

 private:
  const std::byte* at_ = nullptr;
  const std::byte* end_ = nullptr;
};

struct Work {
  const AttendArgs& args;
  int64_t rows;
  int64_t padded;     // rows rounded up to 8
  int64_t width;      // floats from one key to the next
  int64_t out_width;  // floats from one row of `out` to the next
  float* queries;     // these as in Memory
  float* keys;
  float* out;
  float* scores;
  float* top;
  float* total;
  float* shrink;
  Ahead* ahead;
};

// The queries, transposed.
void read_queries(const Work& work) {
  const Mat<const float>& q = work.args.q;
  for (int64_t row = 0; row < work.padded; row += 8) {
    for (int64_t i = 0; i < work.width; i += 8) {
      __m256 block[8];
      for (int64_t r = 0; r < 8; ++r) {
        const bool inside = row + r < q.rows;
        block[r] = inside ? load_first(q.row(row + r) + i, q.cols - i) : _mm256_setzero_ps();
      }
      transpose8(block);
      for (int64_t j = 0; j < 8; ++j) {
        _mm256_store_ps(work.queries + (i + j) * work.padded + row, block[j]);
      }
    }
  }
}

const std::byte* entries(const AttendArgs& args, int64_t position) {
  return args.pages[static_cast<size_t>(position / kCachePage)] + args.layer_offset;
}

// The page's first `count` entries as floats, zeros up to the width.
void read_keys(const Work& work, int64_t position, int64_t count) {
  const AttendArgs& args = work.args;
  const std::byte* block = entries(args, position);
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

/// Latents [begin, end) added to the scores of T positions and V vectors of queries.
template <int T, int V>
void score_tile(const Work& work, int64_t row, int64_t t, int64_t begin, int64_t end) {
  __m256 sum[T][V] = {};
  if (begin > 0) {
#pragma GCC unroll 6
    for (int j = 0; j < T; ++j) {
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) {
        sum[j][v] = _mm256_load_ps(work.scores + (t + j) * work.padded + row + v * 8);
      }
    }
  }
  const float* k = work.keys + t * work.width;
  const float* q = work.queries + begin * work.padded + row;
  const auto step = [&](int64_t i) __attribute__((always_inline)) {
    __m256 query[V];
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) query[v] = _mm256_load_ps(q + v * 8);
    q += work.padded;
#pragma GCC unroll 6
    for (int j = 0; j < T; ++j) {
      const __m256 key = _mm256_broadcast_ss(k + j * work.width + i);
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) sum[j][v] = _mm256_fmadd_ps(query[v], key, sum[j][v]);
    }
  };
  const std::byte* next = work.ahead->take((end - begin) / kStepsALine);
  int64_t i = begin;
  for (; i + kStepsALine <= end; i += kStepsALine, next += kLine) {
    _mm_prefetch(next, _MM_HINT_T1);
#pragma GCC unroll 4
    for (int64_t j = 0; j < kStepsALine; ++j) step(i + j);
  }
  for (; i < end; ++i) step(i);
#pragma GCC unroll 6
  for (int j = 0; j < T; ++j) {
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) {
      _mm256_store_ps(work.scores + (t + j) * work.padded + row + v * 8, sum[j][v]);
    }
  }
}

template <int V>
void score_rows(const Work& work, int64_t row, int64_t count) {
  static constexpr void (*kTiles[])(const Work&, int64_t, int64_t, int64_t, int64_t) = {
      nullptr,          score_tile<1, V>, score_tile<2, V>, score_tile<3, V>,
      score_tile<4, V>, score_tile<5, V>, score_tile<6, V>};
  const int64_t latents = work.args.q.cols;
  for (int64_t begin = 0; begin < latents; begin += kTileLatents) {
    const int64_t end = std::min(latents, begin + kTileLatents);
    for (int64_t t = 0; t < count; t += kTilePositions) {
      kTiles[std::min<int64_t>(kTilePositions, count - t)](work, row, t, begin, end);
    }
  }
}

void score_page(const Work& work, int64_t count) {
  int64_t row = 0;
  for (; row + 16 <= work.padded; row += 16) score_rows<2>(work, row, count);
  if (row < work.padded) score_rows<1>(work, row, count);
}

// From the scores of 8 rows to weights exp(score - top); those past a row's length are 0.
void softmax_rows(const Work& work, int64_t row, int64_t begin, int64_t count) {
  alignas(32) int32_t seen[8];  // positions of this page that a row sees
  for (int64_t r = 0; r < 8; ++r) {
    const int64_t length = row + r < work.rows ? work.args.lengths[row + r] - begin : 0;
    seen[r] = static_cast<int32_t>(std::clamp<int64_t>(length, 0, count));
  }
  const __m256i length = _mm256_load_si256(reinterpret_cast<const __m256i*>(seen));
  const __m256 nothing = _mm256_set1_ps(kNothing);
  const __m256 scale = _mm256_set1_ps(work.args.softmax_scale);
  float* scores = work.scores + row;
  const __m256 before = _mm256_load_ps(work.top + row);
  __m256 top = before;
  for (int64_t t = 0; t < count; ++t) {
    float* at = scores + t * work.padded;
    const __m256i sees = _mm256_cmpgt_epi32(length, _mm256_set1_epi32(static_cast<int>(t)));
    const __m256 score = _mm256_blendv_ps(nothing, _mm256_mul_ps(_mm256_load_ps(at), scale),
                                          _mm256_castsi256_ps(sees));
    _mm256_store_ps(at, score);
    top = _mm256_max_ps(top, score);
  }
  // A row that has seen nothing yet keeps -infinity; subtract 0 there, so that exp gives 0.
  const __m256 base = _mm256_andnot_ps(_mm256_cmp_ps(top, nothing, _CMP_EQ_OQ), top);
  __m256 sum = _mm256_setzero_ps();
  for (int64_t t = 0; t < count; ++t) {
    float* at = scores + t * work.padded;
    const __m256 p = exp_ps(_mm256_sub_ps(_mm256_load_ps(at), base));
    _mm256_store_ps(at, p);
    sum = _mm256_add_ps(sum, p);
  }
  const __m256 shrink = exp_ps(_mm256_sub_ps(before, base));
  _mm256_store_ps(work.shrink + row, shrink);
  _mm256_store_ps(work.total + row, _mm256_fmadd_ps(_mm256_load_ps(work.total + row), shrink, sum));
  _mm256_store_ps(work.top + row, top);
}

// out = out * shrink + the page's weighted entries: four rows, 24 or 8 columns at a time.
template <int V>
void weigh_tile(const Work& work, int64_t row, int64_t column, int64_t count) {
  __m256 sum[kTileRows][V] = {};
  const float* weights = work.scores + row;
  const float* keys = work.keys + column;
#pragma GCC unroll 4
  for (int64_t t = 0; t < count; ++t, weights += work.padded, keys += work.width) {
    __m256 key[V];
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) key[v] = _mm256_load_ps(keys + v * 8);
#pragma GCC unroll 4
    for (int r = 0; r < kTileRows; ++r) {
      const __m256 p = _mm256_broadcast_ss(weights + r);
#pragma GCC unroll 3
      for (int v = 0; v < V; ++v) sum[r][v] = _mm256_fmadd_ps(p, key[v], sum[r][v]);
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < kTileRows; ++r) {
    const __m256 shrink = _mm256_set1_ps(work.shrink[row + r]);
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) {
      float* at = work.out + (row + r) * work.out_width + column + v * 8;
      _mm256_store_ps(at, _mm256_fmadd_ps(_mm256_load_ps(at), shrink, sum[r][v]));
    }
  }
}

// A few columns of all positions stay in the first cache for all rows.
template <int V>
void weigh_columns(const Work& work, int64_t column, int64_t count) {
  for (int64_t row = 0; row < work.rows; row += kTileRows) {
    weigh_tile<V>(work, row, column, count);
  }
}

void weigh_page(const Work& work, int64_t count) {
  int64_t column = 0;
  for (; column + 24 <= work.out_width; column += 24) weigh_columns<3>(work, column, count);
  for (; column < work.out_width; column += 8) weigh_columns<1>(work, column, count);
}

void attend_part(const Work& work, int64_t part, const AttendState& state) {
  const int64_t first = part * kAttendPart;
  int64_t end = first;
  for (int64_t r = 0; r < work.rows; ++r) end = std::max(end, work.args.lengths[r]);
  end = std::min(end, first + kAttendPart);
  std::fill_n(work.top, kAttendRows, kNothing);
  std::fill_n(work.total, kAttendRows, 0.0f);
  std::fill_n(work.shrink, kAttendRows, 0.0f);
  std::memset(work.out, 0, static_cast<size_t>(work.padded * work.out_width) * sizeof(float));
  const auto page_bytes = kCachePage * work.args.latent_stride *
                          static_cast<int64_t>(dtype_size(work.args.cache_dtype));
  for (int64_t begin = first; begin < end; begin += kCachePage) {
    const int64_t count = std::min(kCachePage, end - begin);
    read_keys(work, begin, count);
    const int64_t next = std::min(begin + kCachePage, end - 1);
    *work.ahead = {entries(work.args, next), page_bytes};
    score_page(work, count);
    for (int64_t r = 0; r < work.padded; r += 8) softmax_rows(work, r, begin, count);
    weigh_page(work, count);
  }
  for (int64_t r = 0; r < work.rows; ++r) {
    std::memcpy(state.out.row(r), work.out + r * work.out_width,
                static_cast<size_t>(work.args.kv_lora_rank) * sizeof(float));
    state.top[r] = work.top[r];
    state.total[r] = work.total[r];
  }
}

}  // namespace

void attend(const AttendArgs& args, int64_t first, int64_t last, const AttendState& state) {
  FATHOM_CHECK(args.q.rows <= kAttendRows);
  Memory& m = memory();
  Ahead ahead;
  Work work{args,
            args.q.rows,
            round_up(args.q.rows, 8),
            round_up(args.q.cols, 8),
            round_up(args.kv_lora_rank, 8),
            nullptr,
            nullptr,
            nullptr,
            m.scores.as<float>(),
            m.top,
            m.total,
            m.shrink,
            &ahead};
  work.queries = grow<float>(m.queries, work.padded * work.width);
  work.keys = grow<float>(m.keys, kCachePage * work.width);
  work.out = grow<float>(m.out, work.padded * work.out_width);
  read_queries(work);
  attend_part(work, first, state);
  if (last - first < 2) return;
  float top[kAttendRows], total[kAttendRows];
  const AttendState later{
      {grow<float>(m.later, work.rows * args.kv_lora_rank), work.rows, args.kv_lora_rank},
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
