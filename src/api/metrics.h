// What Prometheus reads at /metrics.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <cstdint>
#include <string>

#include "api/backend.h"

namespace fathom::api {

/// The names are those that operators of such servers know, after "fathom_". Thread-safe.
class Metrics {
 public:
  Metrics();

  /// `cached` of `prompt` tokens were found in the context cache.
  void count_prompt(int64_t prompt, int64_t cached);
  void count_generated(int64_t tokens, int64_t drafted, int64_t accepted);
  void observe_first_token(double seconds) { first_token_.Observe(seconds); }
  void observe_token(double seconds) { per_token_.Observe(seconds); }
  void observe_request(double seconds) { request_.Observe(seconds); }
  /// `path` is one of the server's own, not the client's words.
  void count_response(const std::string& path, int status);
  void connection_opened() { connections_.Increment(); }
  void connection_closed() { connections_.Decrement(); }

  /// The text exposition, with the engine's figures of now.
  std::string text(const BackendStats& stats);

 private:
  prometheus::Registry registry_;
  prometheus::Counter& prompt_tokens_;
  prometheus::Counter& generation_tokens_;
  prometheus::Counter& cache_queries_;
  prometheus::Counter& cache_hits_;
  prometheus::Counter& draft_tokens_;
  prometheus::Counter& accepted_tokens_;
  prometheus::Histogram& first_token_;
  prometheus::Histogram& per_token_;
  prometheus::Histogram& request_;
  prometheus::Gauge& running_;
  prometheus::Gauge& waiting_;
  prometheus::Gauge& kv_cache_;
  prometheus::Gauge& weights_moved_;
  prometheus::Gauge& connections_;
  prometheus::Family<prometheus::Counter>& responses_;
};

}  // namespace fathom::api
