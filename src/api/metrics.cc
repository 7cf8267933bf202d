#include "api/metrics.h"

#include <prometheus/text_serializer.h>

namespace fathom::api {
namespace {

prometheus::Counter& counter(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add({});
}

prometheus::Gauge& gauge(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

prometheus::Histogram& histogram(prometheus::Registry& registry, const char* name, const char* help,
                                 const prometheus::Histogram::BucketBoundaries& bounds) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry).Add({}, bounds);
}

}  // namespace

Metrics::Metrics()
    : prompt_tokens_(counter(registry_, "fathom_prompt_tokens_total", "Tokens of prompts")),
      generation_tokens_(counter(registry_, "fathom_generation_tokens_total", "Tokens of answers")),
      cache_queries_(counter(registry_, "fathom_prefix_cache_queries_total",
                             "Prompt tokens looked up in the context cache")),
      cache_hits_(counter(registry_, "fathom_prefix_cache_hits_total",
                          "Prompt tokens found in the context cache")),
      draft_tokens_(counter(registry_, "fathom_spec_decode_draft_tokens_total",
                            "Tokens proposed by the MTP layer")),
      accepted_tokens_(counter(registry_, "fathom_spec_decode_accepted_tokens_total",
                               "Proposed tokens that were kept")),
      first_token_(histogram(
          registry_, "fathom_time_to_first_token_seconds", "From the request to its first token",
          {0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120})),
      per_token_(
          histogram(registry_, "fathom_time_per_output_token_seconds",
                    "Of the tokens after the first, one answer's mean",
                    {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5})),
      request_(histogram(
          registry_, "fathom_e2e_request_latency_seconds", "From the request to its answer's end",
          {0.005, 0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800})),
      running_(gauge(registry_, "fathom_num_requests_running", "Requests being computed")),
      waiting_(gauge(registry_, "fathom_num_requests_waiting", "Requests in the queue")),
      kv_cache_(gauge(registry_, "fathom_kv_cache_usage", "Share of the KV memory in use, 0 to 1")),
      weights_moved_(gauge(registry_, "fathom_weights_moved",
                           "Share of the weights where they are read fastest, 0 to 1")),
      connections_(gauge(registry_, "fathom_connections", "Open connections")),
      responses_(prometheus::BuildCounter()
                     .Name("fathom_http_responses_total")
                     .Help("Responses by path and status")
                     .Register(registry_)) {}

void Metrics::count_prompt(int64_t prompt, int64_t cached) {
  prompt_tokens_.Increment(static_cast<double>(prompt));
  cache_queries_.Increment(static_cast<double>(prompt));
  cache_hits_.Increment(static_cast<double>(cached));
}

void Metrics::count_generated(int64_t tokens, int64_t drafted, int64_t accepted) {
  generation_tokens_.Increment(static_cast<double>(tokens));
  draft_tokens_.Increment(static_cast<double>(drafted));
  accepted_tokens_.Increment(static_cast<double>(accepted));
}

void Metrics::count_response(const std::string& path, int status) {
  responses_.Add({{"path", path}, {"status", std::to_string(status)}}).Increment();
}

std::string Metrics::text(const BackendStats& stats) {
  running_.Set(static_cast<double>(stats.running));
  waiting_.Set(static_cast<double>(stats.waiting));
  kv_cache_.Set(stats.kv_cache_usage);
  weights_moved_.Set(stats.weights_moved);
  return prometheus::TextSerializer().Serialize(registry_.Collect());
}

}  // namespace fathom::api
