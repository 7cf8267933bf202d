#include "bench/ceilings.h"

#include <atomic>
#include <vector>

#include "base/check.h"
#include "kernels/peaks.h"

namespace fathom::bench {
namespace {

constexpr size_t kPiece = size_t{4} << 20;
constexpr int64_t kPieceRounds = 200'000;  // a millisecond or two
constexpr int64_t kPiecesPerThread = 8;

// Seconds for `items` calls of job, shared out over that many threads.
template <typename Job>
double timed(ThreadPool& pool, int threads, Clock clock, int64_t items, const Job& job) {
  std::atomic<uint64_t> sink{0};
  const auto call = [&](int64_t item, int) {
    sink.fetch_add(static_cast<uint64_t>(job(item)), std::memory_order_relaxed);
  };
  const ThreadPool::Burst burst(pool);
  const double start = now(clock);
  if (threads == 1) {
    for (int64_t i = 0; i < items; ++i) call(i, 0);
  } else {
    pool.run(items, call);
  }
  return now(clock) - start;
}

}  // namespace

Ceilings::Ceilings(int threads, size_t memory, Clock clock, std::span<const std::byte> weights)
    : pool_(threads), memory_(memory), clock_(clock), weights_(weights) {
  FATHOM_CHECK(memory > 0 && memory % kPiece == 0);
}

CeilingRates Ceilings::on_one_thread() { return measure(1); }
CeilingRates Ceilings::on_all_threads() { return measure(pool_.threads()); }

// Bytes per second of pieces that begin at piece_at(i).
template <typename PieceAt>
double Ceilings::read_speed(int threads, int64_t pieces, const PieceAt& piece_at) {
  const double seconds = timed(pool_, threads, clock_, pieces, [&](int64_t i) {
    return peak_loops().read(std::span(piece_at(i), kPiece));
  });
  return static_cast<double>(pieces) * kPiece / seconds;
}

CeilingRates Ceilings::measure(int threads) {
  const PeakLoops& loops = peak_loops();
  const int64_t pieces = kPiecesPerThread * threads;
  const auto compute = [&](float (*loop)(int64_t), int64_t flops) {
    const double seconds =
        timed(pool_, threads, clock_, pieces, [&](int64_t) { return loop(kPieceRounds); });
    return static_cast<double>(pieces * kPieceRounds * flops) / seconds;
  };
  CeilingRates rates;
  rates.read_bytes =
      read_speed(threads, static_cast<int64_t>(memory_.size() / kPiece),
                 [&](int64_t i) { return memory_.data() + static_cast<size_t>(i) * kPiece; });
  if (weights_.size() > memory_.size()) {
    std::vector<size_t> at(memory_.size() / kPiece / 4);
    for (size_t& place : at) place = rng_.below(weights_.size() / kPiece) * kPiece;
    rates.scattered_bytes = read_speed(threads, static_cast<int64_t>(at.size()), [&](int64_t i) {
      return weights_.data() + at[static_cast<size_t>(i)];
    });
  }
  rates.bf16_flops = compute(loops.bf16, loops.bf16_flops);
  rates.f32_flops = compute(loops.f32, loops.f32_flops);
  rates.int8_flops = compute(loops.int8, loops.int8_flops);
  return rates;
}

}  // namespace fathom::bench
