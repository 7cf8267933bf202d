#include "engine/serve_sim.h"

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/rng.h"
#include "engine/clock.h"

namespace fathom::engine {
namespace {

constexpr int32_t kFirstId = 2;

std::vector<int32_t> random_prompt(Rng& rng, int64_t length, int64_t vocab_size) {
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < length; ++i) {
    ids.push_back(kFirstId + static_cast<int32_t>(rng.below(vocab_size - kFirstId)));
  }
  return ids;
}

int64_t random_length(Rng& rng, int64_t least, int64_t most) {
  const double low = std::log(static_cast<double>(least));
  const double high = std::log(static_cast<double>(most + 1));
  return std::clamp(static_cast<int64_t>(std::exp(low + rng.uniform() * (high - low))), least,
                    most);
}

void check(const ServeSimOptions& o) {
  const auto need = [](bool holds, const char* what) {
    if (!holds) fail(ErrorKind::kUsage, "serve-sim: {}", what);
  };
  need(o.requests >= 1, "expected at least one request");
  need(o.per_second > 0, "expected a positive rate of arrivals");
  need(o.min_prompt >= 1 && o.max_prompt >= o.min_prompt, "wrong prompt lengths");
  need(o.min_answer >= 1 && o.max_answer >= o.min_answer, "wrong answer lengths");
  need(o.shared >= 0 && o.shared <= 1, "the share of shared prompts is from 0 to 1");
  need(o.shared == 0 || (o.prefixes >= 1 && o.prefix_tokens >= 1), "no prefixes to share");
  need(o.users >= 1, "expected at least one user");
}

/// What one request met with, written on the engine's thread.
struct Record {
  Time arrived{};
  std::vector<Time> tokens;
  Time ended{};
  RequestResult result;
};

/// Counts requests that are over.
class Countdown {
 public:
  void add() {
    std::lock_guard lock(mutex_);
    ++open_;
  }
  void done() {
    std::lock_guard lock(mutex_);
    --open_;
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return open_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int64_t open_ = 0;
};

class RecordSink final : public TokenSink {
 public:
  RecordSink(Record& record, Countdown& countdown) : record_(record), countdown_(countdown) {}
  bool on_token(const GeneratedToken&) override {
    record_.tokens.push_back(std::chrono::steady_clock::now());
    return true;
  }
  void on_finish(const RequestResult& result) override {
    record_.ended = std::chrono::steady_clock::now();
    record_.result = result;
    countdown_.done();
  }

 private:
  Record& record_;
  Countdown& countdown_;
};

ServeSimReport summary(const std::vector<Record>& records) {
  ServeSimReport report;
  std::vector<double> first, gaps, whole;
  for (const Record& record : records) {
    const Usage& usage = record.result.usage;
    const bool finished = record.result.reason == FinishReason::kStop ||
                          record.result.reason == FinishReason::kLength;
    ++(finished ? report.finished : report.failed);
    report.new_tokens += usage.completion_tokens;
    report.draft_tokens += usage.draft_tokens;
    report.accepted_tokens += usage.accepted_tokens;
    if (record.tokens.empty()) continue;
    report.prompt_tokens += usage.prompt_tokens;
    report.cached_tokens += usage.cache_hit_tokens;
    first.push_back(seconds_between(record.arrived, record.tokens[0]));
    whole.push_back(seconds_between(record.arrived, record.ended));
    for (size_t i = 1; i < record.tokens.size(); ++i) {
      gaps.push_back(seconds_between(record.tokens[i - 1], record.tokens[i]));
    }
    report.seconds =
        std::max(report.seconds, seconds_between(records.front().arrived, record.ended));
  }
  report.first_token = spread_of(std::move(first));
  report.gap = spread_of(std::move(gaps));
  report.request = spread_of(std::move(whole));
  return report;
}

}  // namespace

std::vector<Arrival> make_trace(const ServeSimOptions& options, int64_t vocab_size) {
  check(options);
  Rng rng(options.seed);
  std::vector<std::vector<int32_t>> prefixes;
  for (int64_t i = 0; i < options.prefixes; ++i) {
    prefixes.push_back(random_prompt(rng, options.prefix_tokens, vocab_size));
  }
  std::vector<Arrival> trace;
  double now = 0;
  for (int64_t i = 0; i < options.requests; ++i) {
    Arrival arrival;
    if (i > 0) now -= std::log1p(-rng.uniform()) / options.per_second;
    arrival.seconds = now;
    if (rng.uniform() < options.shared) arrival.prompt = prefixes[rng.below(prefixes.size())];
    const int64_t own = random_length(rng, options.min_prompt, options.max_prompt);
    for (int32_t id : random_prompt(rng, own, vocab_size)) arrival.prompt.push_back(id);
    arrival.max_tokens = random_length(rng, options.min_answer, options.max_answer);
    arrival.user = std::to_string(rng.below(options.users));
    trace.push_back(std::move(arrival));
  }
  return trace;
}

Spread spread_of(std::vector<double> values) {
  if (values.empty()) return {};
  std::ranges::sort(values);
  const auto at = [&](double share) {
    const auto rank = static_cast<size_t>(std::ceil(share * static_cast<double>(values.size())));
    return values[std::max<size_t>(rank, 1) - 1];
  };
  Spread spread{.p50 = at(0.5), .p90 = at(0.9), .p99 = at(0.99), .max = values.back()};
  for (double value : values) spread.mean += value / static_cast<double>(values.size());
  return spread;
}

double ServeSimReport::hit_rate() const {
  if (prompt_tokens == 0) return 0;
  return static_cast<double>(cached_tokens) / static_cast<double>(prompt_tokens);
}

double ServeSimReport::tokens_per_second() const {
  return seconds > 0 ? static_cast<double>(new_tokens) / seconds : 0;
}

ServeSimReport simulate_service(Engine& engine, const std::vector<Arrival>& trace,
                                const ServeSimOptions& options) {
  std::vector<Record> records;
  records.reserve(trace.size());  // sinks refer to them
  Countdown countdown;
  int64_t refused = 0;
  const Time start = std::chrono::steady_clock::now();
  for (size_t i = 0; i < trace.size(); ++i) {
    const Arrival& arrival = trace[i];
    const auto after = std::chrono::duration<double>(arrival.seconds);
    std::this_thread::sleep_until(start + std::chrono::duration_cast<Time::duration>(after));
    Record& record = records.emplace_back();
    record.arrived = std::chrono::steady_clock::now();
    countdown.add();
    try {
      engine.submit({.prompt = arrival.prompt,
                     .max_tokens = arrival.max_tokens,
                     .sampling = {.temperature = options.temperature, .seed = options.seed + i},
                     .user = arrival.user},
                    std::make_shared<RecordSink>(record, countdown));
    } catch (const Error& error) {
      records.pop_back();
      countdown.done();
      if (error.kind() != ErrorKind::kResource) {
        countdown.wait();
        throw;
      }
      ++refused;
    }
  }
  countdown.wait();
  ServeSimReport report = summary(records);
  report.refused = refused;
  return report;
}

}  // namespace fathom::engine
