// A service's day in small: requests that arrive at random go through an engine, without HTTP.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/engine.h"

namespace fathom::engine {

struct ServeSimOptions {
  int64_t requests = 64;
  double per_second = 4;                       ///< arrivals on average, a Poisson process
  int64_t min_prompt = 32, max_prompt = 1024;  ///< lengths are spread evenly over their logarithm
  int64_t min_answer = 16, max_answer = 256;
  int64_t prefixes = 4;         ///< beginnings that prompts share, as system messages are
  int64_t prefix_tokens = 256;  ///< of each; a prompt that has one is longer than it
  double shared = 0.5;          ///< share of prompts that begin with one
  int64_t users = 8;
  float temperature = 1.0f;
  uint64_t seed = 1;
};

struct Arrival {
  double seconds = 0;  ///< after the start
  std::vector<int32_t> prompt;
  int64_t max_tokens = 0;
  std::string user;
};

/// A function of the options alone. Ids are drawn evenly from [2, vocab_size): 0 and 1 often end an
/// answer. Throws Error(kUsage) for options that make no sense.
std::vector<Arrival> make_trace(const ServeSimOptions& options, int64_t vocab_size);

struct Spread {
  double mean = 0, p50 = 0, p90 = 0, p99 = 0, max = 0;
};
/// Zeros for no values.
Spread spread_of(std::vector<double> values);

struct ServeSimReport {
  int64_t finished = 0;  ///< with kStop or kLength
  int64_t refused = 0;   ///< by submit(): the queue was full
  int64_t failed = 0;
  double seconds = 0;  ///< from the first arrival to the last token
  Spread first_token;  ///< seconds from a request's arrival to its first token
  Spread gap;          ///< seconds between two tokens of a request
  Spread request;      ///< seconds from arrival to end
  int64_t prompt_tokens = 0, cached_tokens = 0;
  int64_t new_tokens = 0;
  int64_t draft_tokens = 0, accepted_tokens = 0;

  double hit_rate() const;
  double tokens_per_second() const;
};

/// Submits each request at its time and waits for all. The time is real: it takes as long as the
/// trace and the engine need.
ServeSimReport simulate_service(Engine& engine, const std::vector<Arrival>& trace,
                                const ServeSimOptions& options);

}  // namespace fathom::engine
