// Attention over the latent cache: scores with lanes over the queries' rows, so that a softmax runs
// down vectors, then the weighted sum with lanes over the latent. Positions go in blocks of 256
// with a running maximum. What a row adds, and in which order, depends on its own length alone.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/avx512/exp.h"
#include "kernels/avx512/table.h"
#include "tensor/buffer.h"

namespace fathom::avx512 {
namespace {

constexpr int64_t kBlock = 256;  // positions between two updates of the running maximum
constexpr int64_t kColumns =
    64;  // of the latent, weighted at a time: 256 positions of it are 32 KB
constexpr int kMaxVectors = kAttendRows / 16;
constexpr float kNothing = -INFINITY;

inline int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

/// BF16 cache: a step takes two neighbours, along the latent for scores and along positions for the
/// weighted sum.
struct Bf16 {
  using Element = uint16_t;
  static constexpr int kStep = 2;
  static __m512 multiply_add(__m512 sum, __m512i a, __m512i b) {
    return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
  }
};

struct F32 {
  using Element = float;
  static constexpr int kStep = 1;
  static __m512 multiply_add(__m512 sum, __m512i a, __m512i b) {
    return _mm512_fmadd_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b), sum);
  }
};

/// A thread's working memory for one call.
struct Memory {
  Buffer queries;                                    // [latent / step][lanes] dwords
  Buffer scores{size_t{kBlock} * kAttendRows * 4};   // [positions][lanes]
  Buffer weights{size_t{kBlock} * kAttendRows * 4};  // [positions / step][lanes] dwords
  Buffer values{size_t{kBlock} * kColumns * 4};      // [positions / step][64] dwords
  Buffer part;                                       // [rows, rank] of the part at hand
  alignas(64) float top[kAttendRows], total[kAttendRows], shrink[kAttendRows];
  alignas(64) float part_top[kAttendRows], part_total[kAttendRows];
  alignas(64) int32_t length[kAttendRows];  // of each lane, from the block's first position

  static void reserve(Buffer& buffer, size_t bytes) {
    if (buffer.size() < bytes) buffer = Buffer(bytes);
  }
};

Memory& memory() {
  thread_local Memory instance;
  return instance;
}

struct Shape {
  int64_t latent, rank, stride;  // elements
  int64_t rows;
  int vectors;    // of 16 lanes that hold the rows
  int64_t lanes;  // 16 * vectors
};

/// 16 queries' dwords from element i on: 32 elements of BF16 or 16 of F32.
template <typename Type>
__m512i load_query(const float* row, int64_t left) {
  const __m512 x = _mm512_maskz_loadu_ps(first16(left), row);
  if constexpr (Type::kStep == 1) return _mm512_castps_si512(x);
  const __m512 y = _mm512_maskz_loadu_ps(first16(left - 16), row + 16);
  return (__m512i)_mm512_cvtne2ps_pbh(y, x);
}

template <typename Type>
void pack_queries(const Mat<const float>& q, const Shape& shape, int32_t* out) {
  constexpr int64_t kElements = 16 * Type::kStep;  // of 16 dwords
  for (int64_t lane = 0; lane < shape.lanes; lane += 16) {
    for (int64_t i = 0; i < shape.latent; i += kElements) {
      __m512i r[16];
#pragma GCC unroll 16
      for (int j = 0; j < 16; ++j) {
        r[j] = lane + j < shape.rows ? load_query<Type>(q.row(lane + j) + i, shape.latent - i)
                                     : _mm512_setzero_si512();
      }
      transpose16(r);
      const int64_t steps = std::min<int64_t>(16, ceil_div(shape.latent - i, Type::kStep));
      int32_t* to = out + i / Type::kStep * shape.lanes + lane;
#pragma GCC unroll 16
      for (int j = 0; j < 16; ++j) {
        if (j < steps) _mm512_store_si512(to + j * shape.lanes, r[j]);
      }
    }
  }
}

struct Keys {
  const std::byte* now;
  const std::byte* next;
};

/// T consecutive positions of a page against V vectors of queries. Meanwhile the T positions at
/// `next` are fetched, a line's share a step: a cache that is read but once comes from memory.
template <typename Type, int T, int V>
void score_tile(const int32_t* queries, const Shape& shape, const Keys& keys, float scale,
                float* scores) {
  __m512 sum[T][V] = {};
  const int64_t steps = (shape.latent + Type::kStep - 1) / Type::kStep;
  const int64_t s1 = shape.stride * static_cast<int64_t>(sizeof(typename Type::Element));
  const int64_t s3 = 3 * s1, s5 = 5 * s1, s7 = 7 * s1;
  const std::byte* low = keys.now;
  const std::byte* high = keys.now + 8 * s1;
  for (int64_t k = 0; k < steps; ++k) {
    _mm_prefetch(keys.next + k * T * 4, _MM_HINT_T1);
    __m512i q[V];
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) q[v] = _mm512_load_si512(queries + k * shape.lanes + v * 16);
    const int64_t offsets[8] = {0, s1, 2 * s1, s3, 4 * s1, s5, 2 * s3, s7};
#pragma GCC unroll 16
    for (int t = 0; t < T; ++t) {
      const std::byte* key = (t < 8 ? low : high) + offsets[t % 8];
      const __m512i x = _mm512_set1_epi32(*reinterpret_cast<const int32_t*>(key));
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) sum[t][v] = Type::multiply_add(sum[t][v], q[v], x);
    }
    low += 4;
    high += 4;
  }
  const __m512 factor = _mm512_set1_ps(scale);
#pragma GCC unroll 16
  for (int t = 0; t < T; ++t) {
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) {
      _mm512_store_ps(scores + t * shape.lanes + v * 16, _mm512_mul_ps(sum[t][v], factor));
    }
  }
}

/// Where a block's positions lie.
struct Block {
  const AttendArgs& args;
  int64_t begin;  // first position
  int64_t count;  // positions that any row attends to

  const std::byte* entry(int64_t offset) const {
    const int64_t position = begin + offset;
    return args.pages[static_cast<size_t>(position / kCachePage)] + args.layer_offset +
           static_cast<size_t>(position % kCachePage * args.latent_stride) *
               (args.cache_dtype == DType::kF32 ? 4 : 2);
  }
};

/// The positions of a block page by page: calls visit(first offset, entry there, positions).
template <typename Visit>
inline __attribute__((always_inline)) void for_pages(const Block& block, Visit&& visit) {
  for (int64_t t = 0; t < block.count; t += kCachePage) {
    visit(t, block.entry(t), std::min(kCachePage, block.count - t));
  }
}

template <typename Type>
void score_block(const Block& block, const Shape& shape, const int32_t* queries, float* scores) {
  for (int v = 0; v < shape.vectors;) {
    // Two vectors of queries stay in the first-level cache; a page is read once for each such pair.
    const bool two = v + 2 <= shape.vectors;
    const int64_t tile = two ? 8 : 16;
    for (int64_t t = 0; t < block.count; t += tile) {
      const auto function = two ? score_tile<Type, 8, 2> : score_tile<Type, 16, 1>;
      const int64_t after = t + tile < block.count ? t + tile : 0;
      function(queries + v * 16, shape, {block.entry(t), block.entry(after)},
               block.args.softmax_scale, scores + t * shape.lanes + v * 16);
    }
    v += two ? 2 : 1;
  }
}

/// From scores to weights exp(score - top), updating the running top and total of one vector of
/// rows.
template <typename Type>
void softmax_block(const Shape& shape, int64_t count, int vector, Memory& m) {
  const int64_t at = vector * 16;
  float* scores = m.scores.as<float>() + at;
  int32_t* weights = m.weights.as<int32_t>() + at;
  const __m512i length = _mm512_load_si512(m.length + at);
  const __m512 nothing = _mm512_set1_ps(kNothing);
  const __m512 before = _mm512_load_ps(m.part_top + at);
  __m512 top = before;
  for (int64_t t = 0; t < count; ++t) {
    const __mmask16 inside =
        _mm512_cmplt_epi32_mask(_mm512_set1_epi32(static_cast<int>(t)), length);
    const __m512 score =
        _mm512_mask_blend_ps(inside, nothing, _mm512_load_ps(scores + t * shape.lanes));
    _mm512_store_ps(scores + t * shape.lanes, score);
    top = _mm512_max_ps(top, score);
  }
  // A row that has seen nothing yet keeps -infinity; subtract 0 there, so that exp gives 0.
  const __mmask16 empty = _mm512_cmp_ps_mask(top, nothing, _CMP_EQ_OQ);
  const __m512 base = _mm512_mask_blend_ps(empty, top, _mm512_setzero_ps());
  const __m512 shrink = exp_safe(_mm512_sub_ps(before, base));
  const __m512i interleave =
      _mm512_setr_epi32(0x00100000, 0x00110001, 0x00120002, 0x00130003, 0x00140004, 0x00150005,
                        0x00160006, 0x00170007, 0x00180008, 0x00190009, 0x001A000A, 0x001B000B,
                        0x001C000C, 0x001D000D, 0x001E000E, 0x001F000F);
  __m512 sum = _mm512_setzero_ps();
  for (int64_t t = 0; t < count; t += 2) {
    const __m512 p0 = exp_safe(_mm512_sub_ps(_mm512_load_ps(scores + t * shape.lanes), base));
    const __m512 p1 =
        t + 1 < count
            ? exp_safe(_mm512_sub_ps(_mm512_load_ps(scores + (t + 1) * shape.lanes), base))
            : _mm512_setzero_ps();
    sum = _mm512_add_ps(_mm512_add_ps(sum, p0), p1);
    if constexpr (Type::kStep == 2) {
      const auto both = (__m512i)_mm512_cvtne2ps_pbh(p1, p0);
      _mm512_store_si512(weights + t / 2 * shape.lanes, _mm512_permutexvar_epi16(interleave, both));
    } else {
      _mm512_store_ps(reinterpret_cast<float*>(weights) + t * shape.lanes, p0);
      _mm512_store_ps(reinterpret_cast<float*>(weights) + (t + 1) * shape.lanes, p1);
    }
  }
  _mm512_store_ps(m.part_top + at, top);
  _mm512_store_ps(m.shrink + at, shrink);
  _mm512_store_ps(m.part_total + at,
                  _mm512_fmadd_ps(_mm512_load_ps(m.part_total + at), shrink, sum));
}

/// 32 columns of two neighbours, or of one and zeros, from `a` on: interleaved within 128 bits, so
/// columns 0-3 8-11 16-19 24-27, then 4-7 12-15 20-23 28-31.
inline __attribute__((always_inline)) void interleave(__m512i a, __m512i b, __m512i& low,
                                                      __m512i& high) {
  low = _mm512_unpacklo_epi16(a, b);
  high = _mm512_unpackhi_epi16(a, b);
}

/// Up to 64 columns of the block's latents as [positions / step][64] dwords; what lies past the
/// last position or column is zero.
template <typename Type>
void gather_values(const Block& block, int64_t column, int64_t columns, int32_t* out) {
  const int64_t stride = block.args.latent_stride;
  for_pages(block, [&](int64_t first, const std::byte* entry, int64_t count) {
    const auto* at = reinterpret_cast<const typename Type::Element*>(entry) + column;
    int32_t* to = out + first / Type::kStep * kColumns;
    if constexpr (Type::kStep == 2) {
      const auto mask0 = static_cast<__mmask32>(first64(std::min<int64_t>(columns, 32)));
      const auto mask1 = static_cast<__mmask32>(first64(columns - 32));
      for (int64_t t = 0; t < count; t += 2, at += 2 * stride, to += kColumns) {
        const uint16_t* next = t + 1 < count ? at + stride : at;
        const __mmask32 pair = t + 1 < count ? ~__mmask32{0} : 0;
        __m512i x[4];
        interleave(_mm512_maskz_loadu_epi16(mask0, at),
                   _mm512_maskz_loadu_epi16(mask0 & pair, next), x[0], x[1]);
        interleave(_mm512_maskz_loadu_epi16(mask1, at + 32),
                   _mm512_maskz_loadu_epi16(mask1 & pair, next + 32), x[2], x[3]);
#pragma GCC unroll 4
        for (int v = 0; v < 4; ++v) _mm512_store_si512(to + v * 16, x[v]);
      }
    } else {
      for (int64_t t = 0; t < count; ++t, at += stride, to += kColumns) {
        for (int v = 0; v < 4; ++v) {
          _mm512_store_ps(to + v * 16,
                          _mm512_maskz_loadu_ps(first16(columns - v * 16), at + v * 16));
        }
      }
    }
  });
}

/// out[4 rows][64 columns] = out * shrink + the block's weighted values.
template <typename Type>
void weigh_tile(const Shape& shape, int64_t steps, const Memory& m, int64_t row, float* out) {
  const int32_t* weights = m.weights.as<int32_t>() + row;
  const int32_t* values = m.values.as<int32_t>();
  __m512 sum[4][4] = {};
  for (int64_t k = 0; k < steps; ++k) {
    __m512i x[4];
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) x[v] = _mm512_load_si512(values + k * kColumns + v * 16);
#pragma GCC unroll 4
    for (int r = 0; r < 4; ++r) {
      const __m512i p = _mm512_set1_epi32(weights[k * shape.lanes + r]);
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) sum[r][v] = Type::multiply_add(sum[r][v], x[v], p);
    }
  }
  const int64_t stride = round_up(shape.rank, kColumns);
#pragma GCC unroll 4
  for (int r = 0; r < 4; ++r) {
    const __m512 shrink = _mm512_set1_ps(m.shrink[row + r]);
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) {
      float* at = out + r * stride + v * 16;
      _mm512_store_ps(at, _mm512_fmadd_ps(_mm512_load_ps(at), shrink, sum[r][v]));
    }
  }
}

constexpr int kInPlaceRows = 8;

/// out[8 rows][32 columns] = out * shrink + the block's weighted values, which are taken from their
/// pages: to gather them for 16 rows alone costs more than to interleave them twice.
void weigh_in_place(const Block& block, const Shape& shape, const Memory& m, int64_t row,
                    int64_t column, float* out) {
  __m512 sum[kInPlaceRows][2] = {};
  const int64_t stride = shape.stride * 2;
  const int32_t* weights = m.weights.as<int32_t>() + row;
  const auto add = [&](const __m512i& a, const __m512i& b) __attribute__((always_inline)) {
    __m512i low, high;
    interleave(a, b, low, high);
#pragma GCC unroll 8
    for (int r = 0; r < kInPlaceRows; ++r) {
      const __m512i p = _mm512_set1_epi32(weights[r]);
      sum[r][0] = Bf16::multiply_add(sum[r][0], low, p);
      sum[r][1] = Bf16::multiply_add(sum[r][1], high, p);
    }
    weights += shape.lanes;
  };
  for_pages(block, [&](int64_t, const std::byte* entry, int64_t count) {
    const std::byte* at = entry + column * 2;
    for (int64_t i = 0; i + 1 < count; i += 2, at += 2 * stride) {
      add(_mm512_loadu_si512(at), _mm512_loadu_si512(at + stride));
    }
    if (count % 2 != 0) add(_mm512_loadu_si512(at), _mm512_setzero_si512());
  });
  const int64_t out_stride = round_up(shape.rank, kColumns);
#pragma GCC unroll 8
  for (int r = 0; r < kInPlaceRows; ++r) {
    const __m512 shrink = _mm512_set1_ps(m.shrink[row + r]);
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) {
      float* at = out + r * out_stride + v * 16;
      _mm512_store_ps(at, _mm512_fmadd_ps(_mm512_load_ps(at), shrink, sum[r][v]));
    }
  }
}

template <typename Type>
void weigh_block(const Block& block, const Shape& shape, Memory& m) {
  const int64_t stride = round_up(shape.rank, kColumns);
  if (Type::kStep == 2 && shape.vectors == 1 && shape.rank % 32 == 0) {
    for (int64_t column = 0; column < shape.rank; column += 32) {
      for (int64_t row = 0; row < shape.rows; row += kInPlaceRows) {
        weigh_in_place(block, shape, m, row, column, m.part.as<float>() + row * stride + column);
      }
    }
    return;
  }
  const int64_t steps = ceil_div(block.count, Type::kStep);
  for (int64_t column = 0; column < shape.rank; column += kColumns) {
    gather_values<Type>(block, column, std::min(kColumns, shape.rank - column),
                        m.values.as<int32_t>());
    for (int64_t row = 0; row < shape.rows; row += 4) {
      weigh_tile<Type>(shape, steps, m, row, m.part.as<float>() + row * stride + column);
    }
  }
}

/// Copies the part at hand out, its columns back in their order.
template <typename Type>
void unpack(const Shape& shape, const Memory& m, const AttendState& state) {
  const int64_t stride = round_up(shape.rank, kColumns);
  // Undoes interleave(): 4 floats of `low`, 4 of `high`, and so on.
  const __m512i first_half =
      _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
  const __m512i second_half =
      _mm512_setr_epi32(8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
  for (int64_t r = 0; r < shape.rows; ++r) {
    const float* from = m.part.as<float>() + r * stride;
    float* to = state.out.row(r);
    if constexpr (Type::kStep == 1) {
      std::memcpy(to, from, static_cast<size_t>(shape.rank) * 4);
    } else {
      for (int64_t i = 0; i < shape.rank; i += 32) {
        const __m512 low = _mm512_load_ps(from + i), high = _mm512_load_ps(from + i + 16);
        _mm512_mask_storeu_ps(to + i, first16(shape.rank - i),
                              _mm512_permutex2var_ps(low, first_half, high));
        _mm512_mask_storeu_ps(to + i + 16, first16(shape.rank - i - 16),
                              _mm512_permutex2var_ps(low, second_half, high));
      }
    }
    state.top[r] = m.part_top[r];
    state.total[r] = m.part_total[r];
  }
}

template <typename Type>
void attend_part(const AttendArgs& args, const Shape& shape, int64_t part,
                 const AttendState& state) {
  Memory& m = memory();
  const int64_t first = part * kAttendPart;
  int64_t end = first;
  for (int64_t r = 0; r < shape.rows; ++r) end = std::max(end, args.lengths[r]);
  end = std::min(end, first + kAttendPart);
  std::fill_n(m.part_top, kAttendRows, kNothing);
  std::fill_n(m.part_total, kAttendRows, 0.0f);
  std::memset(m.part.data(), 0, m.part.size());

  for (int64_t begin = first; begin < end; begin += kBlock) {
    const Block block{args, begin, std::min(kBlock, end - begin)};
    for (int64_t r = 0; r < shape.lanes; ++r) {
      const int64_t left = r < shape.rows ? args.lengths[r] - begin : 0;
      m.length[r] = static_cast<int32_t>(std::clamp<int64_t>(left, 0, kBlock));
    }
    score_block<Type>(block, shape, m.queries.as<int32_t>(), m.scores.as<float>());
    for (int v = 0; v < shape.vectors; ++v) softmax_block<Type>(shape, block.count, v, m);
    weigh_block<Type>(block, shape, m);
  }
  unpack<Type>(shape, m, state);
}

template <typename Type>
void attend_parts(const AttendArgs& args, int64_t first, int64_t last, const AttendState& state) {
  Memory& m = memory();
  Shape shape{args.q.cols, args.kv_lora_rank, args.latent_stride, args.q.rows, 0, 0};
  shape.vectors = static_cast<int>(ceil_div(shape.rows, 16));
  shape.lanes = shape.vectors * 16;
  Memory::reserve(m.queries, static_cast<size_t>(round_up(shape.latent, 16) * shape.lanes) * 4);
  Memory::reserve(
      m.part, static_cast<size_t>(shape.lanes * round_up(shape.rank, kColumns)) * sizeof(float));
  pack_queries<Type>(args.q, shape, m.queries.as<int32_t>());

  attend_part<Type>(args, shape, first, state);
  if (last - first < 2) return;
  thread_local Buffer later;
  Memory::reserve(later, static_cast<size_t>(shape.rows * shape.rank) * sizeof(float));
  const AttendState next{{later.as<float>(), shape.rows, shape.rank}, m.top, m.total};
  for (int64_t part = first + 1; part < last; ++part) {
    attend_part<Type>(args, shape, part, next);
    merge(state, next);
  }
}

}  // namespace

void attend(const AttendArgs& args, int64_t first, int64_t last, const AttendState& state) {
  FATHOM_CHECK(args.q.rows <= kAttendRows);
  if (args.cache_dtype == DType::kBF16) {
    attend_parts<Bf16>(args, first, last, state);
  } else {
    attend_parts<F32>(args, first, last, state);
  }
}

void merge(const AttendState& earlier, const AttendState& later) {
  for (int64_t r = 0; r < earlier.out.rows; ++r) {
    const float top = std::max(earlier.top[r], later.top[r]);
    const float base = top == kNothing ? 0.0f : top;
    const __m512 a = exp_safe(_mm512_set1_ps(earlier.top[r] - base));
    const __m512 b = exp_safe(_mm512_set1_ps(later.top[r] - base));
    float* x = earlier.out.row(r);
    const float* y = later.out.row(r);
    for (int64_t i = 0; i < earlier.out.cols; i += 16) {
      const __mmask16 mask = first16(earlier.out.cols - i);
      const __m512 sum = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, x + i), a,
                                         _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, y + i), b));
      _mm512_mask_storeu_ps(x + i, mask, sum);
    }
    earlier.total[r] =
        std::fma(earlier.total[r], _mm512_cvtss_f32(a), later.total[r] * _mm512_cvtss_f32(b));
    earlier.top[r] = top;
  }
}

}  // namespace fathom::avx512
