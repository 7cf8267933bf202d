#include "engine/serve_sim.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "base/error.h"
#include "engine/local_engine.h"
#include "engine/testing/fake_model.h"

namespace fathom::engine {
namespace {

TEST(ServeSim, ATraceIsAFunctionOfItsOptions) {
  ServeSimOptions options{.requests = 4000, .per_second = 20, .prefixes = 3, .prefix_tokens = 64};
  const auto trace = make_trace(options, 1000);
  const auto again = make_trace(options, 1000);
  ASSERT_EQ(trace.size(), 4000u);
  double squares = 0, before = 0;
  std::set<std::vector<int32_t>> beginnings;
  int64_t shared = 0;
  for (size_t i = 0; i < trace.size(); ++i) {
    EXPECT_EQ(trace[i].prompt, again[i].prompt);
    EXPECT_EQ(trace[i].seconds, again[i].seconds);
    squares += (trace[i].seconds - before) * (trace[i].seconds - before);
    before = trace[i].seconds;
    EXPECT_TRUE(trace[i].max_tokens >= 16 && trace[i].max_tokens <= 256);
    for (int32_t id : trace[i].prompt) ASSERT_TRUE(id >= 2 && id < 1000);
  }
  // Exponential gaps: mean 1 / rate, mean of squares 2 / rate^2.
  EXPECT_NEAR(before / 4000, 1.0 / 20, 0.1 / 20);
  EXPECT_NEAR(squares / 4000, 2.0 / 400, 0.4 / 400);
  for (const Arrival& arrival : trace) {
    if (arrival.prompt.size() < 64) continue;
    beginnings.insert({arrival.prompt.begin(), arrival.prompt.begin() + 64});
  }
  for (const auto& beginning : beginnings) {
    const auto begins = [&](const Arrival& arrival) {
      return arrival.prompt.size() > 64 &&
             std::equal(beginning.begin(), beginning.end(), arrival.prompt.begin());
    };
    const int64_t count = std::ranges::count_if(trace, begins);
    if (count > 1) shared += count;
  }
  EXPECT_NEAR(static_cast<double>(shared), 2000, 150);
}

TEST(ServeSim, PercentilesAreByRank) {
  std::vector<double> values;
  for (int i = 100; i >= 1; --i) values.push_back(i);
  const Spread spread = spread_of(values);
  EXPECT_EQ(spread.p50, 50);
  EXPECT_EQ(spread.p90, 90);
  EXPECT_EQ(spread.p99, 99);
  EXPECT_EQ(spread.max, 100);
  EXPECT_DOUBLE_EQ(spread.mean, 50.5);
  EXPECT_EQ(spread_of({}).max, 0);
  EXPECT_EQ(spread_of({3}).p50, 3);
}

TEST(ServeSim, CountsWhatTheEngineDid) {
  FakeModel model({});
  LocalEngine engine(model, {.kv_bytes = 1 << 21});
  ServeSimOptions options{.requests = 60, .per_second = 300, .max_prompt = 300, .max_answer = 40};
  const auto trace = make_trace(options, 96);
  const ServeSimReport report = simulate_service(engine, trace, options);
  EXPECT_EQ(report.finished, 60);
  EXPECT_EQ(report.refused + report.failed, 0);
  int64_t prompt = 0, answer = 0;
  for (const Arrival& arrival : trace) {
    prompt += std::ssize(arrival.prompt);
    answer += arrival.max_tokens;
  }
  EXPECT_EQ(report.prompt_tokens, prompt);
  EXPECT_EQ(report.new_tokens, answer);
  EXPECT_GT(report.hit_rate(), 0.05);
  EXPECT_GE(report.seconds, trace.back().seconds);
  EXPECT_GT(report.tokens_per_second(), 0);
  EXPECT_LE(report.first_token.p50, report.first_token.p99);
  EXPECT_LE(report.first_token.max, report.request.max);
}

TEST(ServeSim, AFullQueueRefuses) {
  FakeModel model({});
  LocalEngine engine(model, {.kv_bytes = 1 << 21, .max_running = 1, .max_waiting = 1});
  ServeSimOptions options{.requests = 50, .per_second = 1e6, .min_answer = 256};
  const auto report = simulate_service(engine, make_trace(options, 96), options);
  EXPECT_GT(report.refused, 0);
  EXPECT_EQ(report.refused + report.finished, 50);
}

TEST(ServeSim, RefusesOptionsThatMakeNoSense) {
  for (const ServeSimOptions& options :
       {ServeSimOptions{.requests = 0}, ServeSimOptions{.per_second = 0},
        ServeSimOptions{.max_prompt = 1}, ServeSimOptions{.shared = 2}}) {
    EXPECT_THROW(make_trace(options, 96), Error);
  }
}

}  // namespace
}  // namespace fathom::engine
