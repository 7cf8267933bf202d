// What this machine can do at best, measured beside what is compared with it.
#pragma once

#include "base/thread_pool.h"
#include "bench/clock.h"
#include "tensor/buffer.h"

namespace fathom::bench {

struct CeilingRates {
  double read_bytes = 0;  ///< per second, streaming, from huge pages
  double bf16_flops = 0;  ///< per second
  double f32_flops = 0;
  double int8_flops = 0;  ///< multiply-adds of whole numbers, 2 each
};

/// Owns the memory that it reads. One caller at a time.
class Ceilings {
 public:
  /// `memory`: bytes, a multiple of 4 MB, much larger than the last cache.
  explicit Ceilings(int threads, size_t memory = size_t{1} << 30, Clock clock = Clock::kWall);

  /// Some 80 ms each.
  CeilingRates on_one_thread();
  CeilingRates on_all_threads();
  int threads() const { return pool_.threads(); }
  Clock clock() const { return clock_; }

 private:
  CeilingRates measure(int threads);

  ThreadPool pool_;
  Buffer memory_;
  Clock clock_;
};

}  // namespace fathom::bench
