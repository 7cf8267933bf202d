// engine_measures DIR [--prefix N] [--prompt N] [--rounds N] [--steps N]
//
// What the engine costs and saves on a model: a cached prefix against an uncached one, the gaps of
// running streams while a long prompt comes in, sixteen sequences against the bare model. Ratios
// are of times that were taken in turns in one run. No prefix, no prompt or no rounds (0) leave
// that part out. Ends with 1 when an answer depended on any of it.
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>

#include "base/error.h"
#include "base/rng.h"
#include "engine/clock.h"
#include "engine/local_engine.h"
#include "engine/logit_scan.h"
#include "model/transformer.h"

namespace fathom {
namespace {

using engine::seconds_between;
using engine::Time;

struct Options {
  std::string dir;
  int64_t prefix = 4096;
  int64_t prompt = 16'384;
  int64_t rounds = 3;
  int64_t steps = 64;
};

Time now() { return std::chrono::steady_clock::now(); }

class TimingSink final : public TokenSink {
 public:
  bool on_token(const GeneratedToken& token) override {
    std::lock_guard lock(mutex_);
    times_.push_back(now());
    ids_.push_back(token.id);
    changed_.notify_all();
    return !enough_;
  }
  void on_finish(const RequestResult& result) override {
    std::lock_guard lock(mutex_);
    result_ = result;
    done_ = true;
    changed_.notify_all();
  }

  void stop() {
    std::lock_guard lock(mutex_);
    enough_ = true;
  }
  void wait_for(size_t tokens) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return done_ || times_.size() >= tokens; });
  }
  void wait() { wait_for(SIZE_MAX); }
  std::vector<Time> times() const {
    std::lock_guard lock(mutex_);
    return times_;
  }
  const std::vector<int32_t>& ids() const { return ids_; }
  const RequestResult& result() const { return result_; }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Time> times_;
  std::vector<int32_t> ids_;
  RequestResult result_;
  bool done_ = false, enough_ = false;
};

std::vector<int32_t> random_ids(uint64_t seed, int64_t count, int64_t vocab) {
  Rng rng(seed);
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < count; ++i) ids.push_back(static_cast<int32_t>(rng.below(vocab)));
  return ids;
}

/// The value that a share of them do not exceed.
double quantile(std::vector<double> values, double share) {
  const auto at = static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::ranges::nth_element(values, values.begin() + at);
  return values[static_cast<size_t>(at)];
}

double median(std::vector<double> values) { return quantile(std::move(values), 0.5); }

Request greedy(std::vector<int32_t> prompt, int64_t max_tokens) {
  return {.prompt = std::move(prompt),
          .max_tokens = max_tokens,
          .sampling = {.temperature = 0},
          .speculate = false};
}

LocalEngineOptions engine_options(const Transformer& model, int64_t tokens) {
  LocalEngineOptions options;
  options.kv_bytes = static_cast<size_t>(tokens / kPageTokens + 4) * (model.page_bytes() + 64);
  return options;
}

struct FirstToken {
  double seconds = 0;
  int64_t hits = 0;
  std::vector<int32_t> ids;
};

FirstToken first_token(Engine& engine, const std::vector<int32_t>& prompt) {
  const auto sink = std::make_shared<TimingSink>();
  const Time start = now();
  engine.submit(greedy(prompt, 4), sink);
  sink->wait();
  return {seconds_between(start, sink->times().at(0)), sink->result().usage.cache_hit_tokens,
          sink->ids()};
}

// A prefix that was never seen, then one in memory, then after a restart one on disk.
bool measure_prefix(Transformer& model, const Options& options) {
  const int64_t vocab = model.config().vocab_size;
  const std::string dir =
      (std::filesystem::temp_directory_path() / ("fathom-measures-" + std::to_string(getpid())))
          .string();
  std::vector<double> uncached, memory, disk;
  bool equal = true;
  for (int64_t round = 0; round < options.rounds; ++round) {
    std::vector<int32_t> prefix = random_ids(100 + round, options.prefix, vocab);
    const auto with = [&](int32_t last) {
      std::vector<int32_t> prompt = prefix;
      for (int32_t i = 0; i < 8; ++i) prompt.push_back(last + i);
      return prompt;
    };
    LocalEngineOptions with_disk = engine_options(model, 3 * options.prefix);
    with_disk.cache.directory = dir;
    FirstToken cold, warm, stored;
    {
      LocalEngine engine(model, with_disk);
      cold = first_token(engine, with(10));
      warm = first_token(engine, with(20));
    }
    {
      LocalEngine engine(model, with_disk);
      stored = first_token(engine, with(20));
    }
    std::filesystem::remove_all(dir);
    equal &= stored.ids == warm.ids && warm.hits == options.prefix && stored.hits == options.prefix;
    uncached.push_back(cold.seconds);
    memory.push_back(warm.seconds / cold.seconds);
    disk.push_back(stored.seconds / cold.seconds);
  }
  std::printf(
      "prefix of %ld tokens: first token uncached in %.2f s; of that from memory %.2f%%, "
      "from disk after a restart %.2f%%\n",
      options.prefix, median(uncached), 100 * median(memory), 100 * median(disk));
  return equal;
}

// Four streams, and then a long prompt, which takes in a token a step at least: they outlast it.
bool measure_stall(Transformer& model, const Options& options) {
  constexpr int kStreams = 4;
  const int64_t vocab = model.config().vocab_size;
  const int64_t room = model.config().max_position_embeddings - 64;
  const int64_t tokens = std::min(room, options.steps + 2 * options.prompt);
  LocalEngine engine(model, engine_options(model, options.prompt + kStreams * (tokens + 128)));
  std::vector<std::shared_ptr<TimingSink>> streams;
  for (int i = 0; i < kStreams; ++i) {
    streams.push_back(std::make_shared<TimingSink>());
    engine.submit(greedy(random_ids(i, 16, vocab), tokens), streams.back());
  }
  for (const auto& stream : streams) stream->wait_for(static_cast<size_t>(options.steps));
  const Time came = now();
  const auto prompt = std::make_shared<TimingSink>();
  engine.submit(greedy(random_ids(9, options.prompt, vocab), 1), prompt);
  prompt->wait();
  const Time over = now();
  for (const auto& stream : streams) stream->stop();
  std::vector<double> calm, beside;
  bool outlasted = true;
  for (const auto& stream : streams) {
    stream->wait();
    outlasted &= stream->result().reason == FinishReason::kStop;
    const std::vector<Time> times = stream->times();
    for (size_t i = 2; i < times.size(); ++i) {
      const double gap = seconds_between(times[i - 1], times[i]);
      if (times[i] < came) {
        calm.push_back(gap);
      } else if (times[i - 1] < over) {
        beside.push_back(gap);
      }
    }
  }
  const auto times_calm = [&](double share) { return quantile(beside, share) / median(calm); };
  std::printf(
      "prompt of %ld tokens in %.1f s beside %d streams: of the median gap of %.1f ms before it, "
      "their gaps are %.2f times at the median, %.2f at 99%%, %.2f at 99.9%%, %.2f at the worst\n",
      options.prompt, seconds_between(came, over), kStreams, 1e3 * median(calm), times_calm(0.5),
      times_calm(0.99), times_calm(0.999), times_calm(1));
  if (!outlasted) std::printf("streams ended before the prompt did\n");
  return outlasted && prompt->result().reason == FinishReason::kLength;
}

// Of the prompts of a batch: short, so that all are soon past them.
constexpr int64_t kShortPrompt = 4;

// Tokens of an answer: the same with and without the engine, for answers of a random model come to
// repeat each other, which makes later steps cheaper. The first ones are not timed in the engine,
// where sequences do not begin at once.
int64_t answer_tokens(const Options& options) { return options.steps + 64; }

// Tokens a second of `batch` sequences without any engine.
double bare(Transformer& model, int64_t batch, const Options& options) {
  std::vector<std::unique_ptr<SequencePages>> pages;
  std::vector<std::vector<int32_t>> tokens;
  for (int64_t i = 0; i < batch; ++i) {
    pages.push_back(std::make_unique<SequencePages>(model));
    tokens.push_back(random_ids(i, kShortPrompt, model.config().vocab_size));
  }
  Time start = now();
  for (int64_t step = 0; step <= answer_tokens(options); ++step) {
    if (step == 1) start = now();
    std::vector<StepSequence> work;
    for (int64_t i = 0; i < batch; ++i) {
      const auto size = std::ssize(tokens[i]);
      const int64_t first = step == 0 ? 0 : size - 1;
      work.push_back({std::span(tokens[i]).subspan(static_cast<size_t>(first)), first,
                      pages[i]->reserve(size), 1});
    }
    const StepOutput out = model.forward(work);
    for (int64_t i = 0; i < batch; ++i) {
      tokens[i].push_back(engine::find_peak(out.logits.row_span(i)).id);
    }
  }
  return static_cast<double>(batch * answer_tokens(options)) / seconds_between(start, now());
}

double through_engine(Transformer& model, int64_t batch, const Options& options) {
  LocalEngineOptions engine_with = engine_options(model, batch * (256 + options.steps));
  engine_with.cache.enabled = false;
  LocalEngine engine(model, engine_with);
  std::vector<std::shared_ptr<TimingSink>> sinks;
  for (int64_t i = 0; i < batch; ++i) {
    sinks.push_back(std::make_shared<TimingSink>());
    engine.submit(
        greedy(random_ids(i, kShortPrompt, model.config().vocab_size), answer_tokens(options)),
        sinks.back());
  }
  Time all_begun{}, one_over = Time::max();
  for (const auto& sink : sinks) {
    sink->wait();
    all_begun = std::max(all_begun, sink->times().front());
    one_over = std::min(one_over, sink->times().back());
  }
  int64_t tokens = 0;
  for (const auto& sink : sinks) {
    for (Time time : sink->times()) tokens += time > all_begun && time <= one_over;
  }
  return static_cast<double>(tokens) / seconds_between(all_begun, one_over);
}

void measure_batch(Transformer& model, const Options& options) {
  constexpr int64_t kBatch = 16;
  std::vector<double> ratios, speeds;
  for (int64_t round = 0; round < options.rounds; ++round) {
    const double alone = bare(model, kBatch, options);
    const double engine = through_engine(model, kBatch, options);
    const double again = bare(model, kBatch, options);
    speeds.push_back(engine);
    ratios.push_back(engine / ((alone + again) / 2));
  }
  std::printf("%ld sequences: %.1f tokens/s, %.1f%% of the bare model's\n", kBatch, median(speeds),
              100 * median(ratios));
}

int64_t number(const char* text) {
  char* end = nullptr;
  const int64_t value = std::strtol(text, &end, 10);
  if (*end != '\0' || value < 0) fail(ErrorKind::kUsage, "{}: expected a number", text);
  return value;
}

Options parse(int argc, char** argv) {
  Options options;
  const std::pair<std::string, int64_t*> names[] = {{"--prefix", &options.prefix},
                                                    {"--prompt", &options.prompt},
                                                    {"--rounds", &options.rounds},
                                                    {"--steps", &options.steps}};
  for (int i = 1; i < argc; ++i) {
    const auto found =
        std::ranges::find(names, std::string(argv[i]), [](auto& n) { return n.first; });
    if (found != std::end(names) && i + 1 < argc) {
      *found->second = number(argv[++i]);
    } else if (options.dir.empty() && argv[i][0] != '-') {
      options.dir = argv[i];
    } else {
      fail(ErrorKind::kUsage, "{}: not known", argv[i]);
    }
  }
  if (options.dir.empty()) fail(ErrorKind::kUsage, "engine_measures DIR: expected a checkpoint");
  return options;
}

int run(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const Options options = parse(argc, argv);
  Transformer model(ModelWeights::load(Checkpoint::open(options.dir)), {.move_weights = true});
  model.await_weights();
  const bool equal = options.prefix == 0 || measure_prefix(model, options);
  if (options.rounds > 0) measure_batch(model, options);
  const bool whole = options.prompt == 0 || measure_stall(model, options);
  if (!equal) std::printf("a cached prefix was not found whole, or it changed the answer\n");
  return equal && whole ? 0 : 1;
}

}  // namespace
}  // namespace fathom

int main(int argc, char** argv) {
  try {
    return fathom::run(argc, argv);
  } catch (const fathom::Error& error) {
    std::fprintf(stderr, "engine_measures: %s\n", error.what());
    return fathom::exit_code(error.kind());
  }
}
