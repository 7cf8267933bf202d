#include "bench/measure.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/rng.h"

namespace fathom::bench {
namespace {

constexpr double kSampleEvery = 0.1;  // seconds of steps between two samples of the ceilings

// Counts the distinct experts of each layer's routing.
class ExpertCounter : public ForwardObserver {
 public:
  explicit ExpertCounter(int64_t experts) : seen_(static_cast<size_t>(experts)) {}

  void on_routing(int64_t, Mat<const int32_t> ids, Mat<const float>, Mat<const float>) override {
    std::fill(seen_.begin(), seen_.end(), false);
    for (int64_t r = 0; r < ids.rows; ++r) {
      for (int32_t id : ids.row_span(r)) seen_[static_cast<size_t>(id)] = true;
    }
    total_ += std::count(seen_.begin(), seen_.end(), true);
  }
  int64_t take() { return std::exchange(total_, 0); }

 private:
  std::vector<bool> seen_;
  int64_t total_ = 0;
};

// The workload's sequences with their pages, and steps over them.
class Steps {
 public:
  Steps(Transformer& model, const Workload& workload, Clock clock)
      : model_(model),
        workload_(workload),
        clock_(clock),
        experts_(model.config().n_routed_experts) {
    profile_.clock = clock == Clock::kWall ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID;
    for (int64_t i = 0; i < workload.sequences; ++i) {
      pages_.emplace_back(model);
      fill(pages_.back());
    }
    model_.set_observer(&experts_);
    model_.set_profile(&profile_);
  }
  ~Steps() {
    model_.set_observer(nullptr);
    model_.set_profile(nullptr);
  }

  /// Seconds of one step.
  double run() {
    const auto tokens = static_cast<size_t>(workload_.tokens);
    std::vector<int32_t> ids(pages_.size() * tokens);
    for (int32_t& id : ids) id = random_token();
    std::vector<StepSequence> batch;
    for (size_t i = 0; i < pages_.size(); ++i) {
      batch.push_back({std::span(ids).subspan(i * tokens, tokens), workload_.context,
                       pages_[i].reserve(workload_.context + workload_.tokens), 1,
                       workload_.all_hidden, workload_.choice});
    }
    const double start = now(Clock::kWall), cpu_start = now(Clock::kProcessor);
    model_.forward(batch);
    const double wall = now(Clock::kWall) - start, cpu = now(Clock::kProcessor) - cpu_start;
    wall_ += wall;
    cpu_ += cpu;
    return clock_ == Clock::kWall ? wall : cpu;
  }

  StepCost cost(int64_t experts_read) const {
    const std::vector<SequenceRows> rows(
        pages_.size(), {workload_.context, workload_.tokens, 1, workload_.all_hidden});
    return step_cost(model_.config(), rows, experts_read, model_.numerics(),
                     workload_.choice && model_.outlines(workload_.sequences));
  }

  int64_t take_experts() { return experts_.take(); }
  const OpProfile& profile() const { return profile_; }
  double wall() const { return wall_; }
  double cpu() const { return cpu_; }
  /// Forgets the steps so far.
  void restart() {
    experts_.take();
    profile_.seconds = {};
    wall_ = cpu_ = 0;
  }

 private:
  // The first page is computed, the others are copies.
  void fill(SequencePages& pages) {
    const auto all = pages.reserve(workload_.context + workload_.tokens);
    if (workload_.context == 0) return;
    std::vector<int32_t> ids(static_cast<size_t>(kPageTokens));
    for (int32_t& id : ids) id = random_token();
    const StepSequence page{ids, 0, all.first(1), 0};
    model_.forward({&page, 1});
    for (std::byte* to : all.subspan(1)) std::memcpy(to, all[0], model_.page_bytes());
  }

  int32_t random_token() {
    return static_cast<int32_t>(rng_.below(static_cast<uint64_t>(model_.config().vocab_size)));
  }

  Transformer& model_;
  const Workload& workload_;
  Clock clock_;
  ExpertCounter experts_;
  OpProfile profile_;
  double wall_ = 0, cpu_ = 0;
  std::vector<SequencePages> pages_;
  Rng rng_{7};
};

void add(CeilingRates& sum, const CeilingRates& rates, double factor) {
  sum.read_bytes += factor * rates.read_bytes;
  sum.scattered_bytes += factor * rates.scattered_bytes;
  sum.bf16_flops += factor * rates.bf16_flops;
  sum.f32_flops += factor * rates.f32_flops;
  sum.int8_flops += factor * rates.int8_flops;
}

void add(StepCost& sum, const StepCost& cost) {
  for (size_t i = 0; i < kOps; ++i) {
    sum.ops[i].bytes += cost.ops[i].bytes;
    sum.ops[i].flops += cost.ops[i].flops;
    sum.ops[i].int8 += cost.ops[i].int8;
  }
}

void average(Speed& speed, const OpProfile& profile) {
  const auto steps = static_cast<double>(speed.steps);
  double rest = speed.seconds;
  for (size_t i = 0; i < kOps; ++i) {
    speed.cost.ops[i].bytes /= steps;
    speed.cost.ops[i].flops /= steps;
    speed.cost.ops[i].int8 /= steps;
    speed.op_seconds[i] = profile.seconds[i] / steps;
    rest -= profile.seconds[i];
  }
  speed.op_seconds[static_cast<size_t>(Op::kRest)] = rest / steps;
  speed.experts_read /= steps;
}

}  // namespace

Speed measure(Transformer& model, Ceilings& ceilings, const Workload& workload, double seconds) {
  Steps steps(model, workload, ceilings.clock());
  steps.run();  // once for the scratch memory to grow
  steps.restart();

  Speed speed;
  speed.workload = workload;
  CeilingRates before = ceilings.on_all_threads();
  double samples = 0;
  while (speed.seconds < seconds) {
    double sampled = 0;
    StepCost costs;
    while (sampled < std::min(kSampleEvery, seconds)) {
      sampled += steps.run();
      const int64_t experts = steps.take_experts();
      add(costs, steps.cost(experts));
      speed.experts_read += static_cast<double>(experts);
      ++speed.steps;
    }
    const CeilingRates after = ceilings.on_all_threads();
    CeilingRates here;
    add(here, before, 0.5);
    add(here, after, 0.5);
    speed.seconds += sampled;
    // Several steps' sum: each operation's bound side is the same in all of them.
    speed.roof_seconds += costs.roof(here);
    add(speed.cost, costs);
    add(speed.ceilings, here, 1);
    samples += 1;
    before = after;
  }
  const CeilingRates sum = std::exchange(speed.ceilings, {});
  add(speed.ceilings, sum, 1 / samples);
  speed.wall_seconds = steps.wall();
  speed.cpu_seconds = steps.cpu();
  average(speed, steps.profile());
  return speed;
}

}  // namespace fathom::bench
