// What this machine can do at best, measured beside what is compared with it.
#pragma once

#include <span>

#include "base/rng.h"
#include "base/thread_pool.h"
#include "bench/clock.h"
#include "tensor/buffer.h"

namespace fathom::bench {

struct CeilingRates {
  double read_bytes = 0;       ///< per second, streaming, from huge pages
  double scattered_bytes = 0;  ///< the same from places all over the weights; 0: none were given
  double bf16_flops = 0;       ///< per second
  double f32_flops = 0;
  double int8_flops = 0;  ///< multiply-adds of whole numbers, 2 each
};

/// Owns the memory that it streams. One caller at a time.
class Ceilings {
 public:
  /// `memory`: bytes, a multiple of 4 MB, much larger than the last cache.
  /// `weights`: what else to read, in pieces of 4 MB at random, as steps that choose experts do:
  /// many gigabytes are slower than one again and again where translating addresses costs as much
  /// as the bytes (a virtual machine whose host has small pages). May be empty.
  explicit Ceilings(int threads, size_t memory = size_t{1} << 30, Clock clock = Clock::kWall,
                    std::span<const std::byte> weights = {});

  /// Some 80 ms each.
  CeilingRates on_one_thread();
  CeilingRates on_all_threads();
  int threads() const { return pool_.threads(); }
  Clock clock() const { return clock_; }

 private:
  CeilingRates measure(int threads);
  template <typename PieceAt>
  double read_speed(int threads, int64_t pieces, const PieceAt& piece_at);

  ThreadPool pool_;
  Buffer memory_;
  Clock clock_;
  std::span<const std::byte> weights_;
  Rng rng_{11};
};

}  // namespace fathom::bench
