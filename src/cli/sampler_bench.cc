#include "cli/sampler_bench.h"

#include <fmt/format.h>

#include <array>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/median.h"
#include "base/seconds.h"
#include "cli/json_lines.h"
#include "engine/sampler.h"
#include "model/transformer.h"

namespace fathom::cli {
namespace {

struct Way {
  const char* name;
  SamplingParams params;
};

std::vector<Way> ways() {
  return {{"greedy", {.temperature = 0}},
          {"temperature 1", {}},
          {"temperature 0.6, top_p 0.95", {.temperature = 0.6f, .top_p = 0.95f}},
          {"top_k 50", {.top_k = 50}},
          {"top_p 0.95, penalties, 20 logprobs",
           {.top_p = 0.95f, .frequency_penalty = 0.1f, .top_logprobs = 20}}};
}

template <typename Work>
double timed(const Work& work) {
  const double start = seconds_of(CLOCK_MONOTONIC);
  work();
  return seconds_of(CLOCK_MONOTONIC) - start;
}

}  // namespace

void run_sampler_bench(const ModelOptions& options, double seconds, bool json) {
  constexpr int64_t kPositions = 4096;
  const auto model = open_model(options, kPositions);
  model->await_weights();
  engine::Sampler sampler(model->config().vocab_size);
  SequencePages pages(*model);
  const std::vector<Way> all = ways();
  std::vector<std::vector<double>> times(all.size());
  std::vector<double> steps;
  engine::TokenCounts generated;
  int32_t token = 0;
  const double end = seconds_of(CLOCK_MONOTONIC) + seconds;
  for (int64_t at = 0; at < kPositions && (at < 2 || seconds_of(CLOCK_MONOTONIC) < end); ++at) {
    const std::array<int32_t, 1> tokens = {token};
    const StepSequence sequence{tokens, at, pages.reserve(at + 1), 1};
    std::span<const float> logits;
    const double step = timed([&] { logits = model->forward({&sequence, 1}).logits.row_span(0); });
    for (size_t i = 0; i < all.size(); ++i) {
      engine::DrawContext context;
      context.params = &all[i].params;
      context.index = at;
      context.generated = &generated;
      const double time = timed([&] { token = sampler.sample(logits, context).id; });
      if (at > 0) times[i].push_back(time);  // the first grows the memory
    }
    if (at > 0) steps.push_back(step);
    ++generated[token];
  }

  const double step = median(steps);
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  if (!json) {
    write_stdout(fmt::format("a step of one token: {:.2f} ms; sampling from {} logits:\n",
                             step * 1e3, model->config().vocab_size));
  }
  for (size_t i = 0; i < all.size(); ++i) {
    const double time = median(times[i]);
    rows.push_back({{"way", all[i].name}, {"seconds", time}, {"of_step", time / step}});
    if (!json) {
      write_stdout(
          fmt::format("  {:36}{:>8.0f} us{:>7.2f}%\n", all[i].name, time * 1e6, 100 * time / step));
    }
  }
  if (json) write_stdout(rows.dump(2) + "\n");
}

}  // namespace fathom::cli
