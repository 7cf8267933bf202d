#include "eval/run/runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <set>
#include <thread>

#include "base/error.h"
#include "base/rng.h"
#include "base/worker_thread.h"

namespace fathom::eval {
namespace {

std::vector<ItemResult> planned(const RunPlan& plan) {
  std::vector<ItemResult> results;
  const Settings& settings = plan.input.settings;
  for (int sample = 0; sample < settings.samples; ++sample) {
    std::vector<Item> items = plan.task->items(plan.input, sample);
    if (settings.limit > 0 && items.size() > static_cast<size_t>(settings.limit)) {
      items.resize(static_cast<size_t>(settings.limit));
    }
    std::set<std::string> ids;
    for (Item& item : items) {
      if (!ids.insert(item.id).second) {
        fail(ErrorKind::kBadInput, "{}: two items have the id \"{}\"", plan.input.data, item.id);
      }
      ItemResult result;
      result.item = std::move(item);
      result.sample = sample;
      results.push_back(std::move(result));
    }
  }
  return results;
}

class Run {
 public:
  Run(const RunPlan& plan, Journal& journal,
      const std::function<void(const Progress&)>& on_progress)
      : plan_(plan), journal_(journal), on_progress_(on_progress), results_(planned(plan)) {
    progress_.total = results_.size();
  }

  std::vector<ItemResult> results() {
    std::vector<std::thread> workers;
    const size_t count =
        std::min(results_.size(), static_cast<size_t>(std::max(1, plan_.concurrency)));
    for (size_t i = 0; i < count; ++i) {
      workers.push_back(worker_thread([this] { work(); }));
    }
    for (std::thread& worker : workers) worker.join();
    journal_.sync();
    if (stopped_) std::rethrow_exception(why_);
    return std::move(results_);
  }

 private:
  void work() {
    for (size_t i; !stopped_ && (i = next_++) < results_.size();) {
      try {
        take(results_[i]);
        report(results_[i]);
      } catch (...) {
        stop(std::current_exception());
      }
    }
  }

  void stop(std::exception_ptr why) {
    const std::lock_guard lock(mutex_);
    if (!stopped_) why_ = why;
    stopped_ = true;
  }

  std::string key(const ItemResult& result, const char* what) const {
    return fmt::format("{}/{}/{}", what, result.sample, result.item.id);
  }

  uint64_t seed(const ItemResult& result) const {
    uint64_t hash = static_cast<uint64_t>(result.sample);
    for (const char c : result.item.id) hash = splitmix64(hash ^ static_cast<unsigned char>(c));
    return hash;
  }

  void take(ItemResult& result) {
    try {
      answer(result);
      if (plan_.task->verdict) judge(result);
      score(result);
    } catch (const RequestFailed& failure) {
      if (failure.fatal)
        fail(ErrorKind::kIo, "the server refuses every request: {}", failure.what());
      result.failure = failure.what();
      journal_.note({{"failed", key(result, "answer")}, {"error", result.failure}});
    }
  }

  void answer(ItemResult& result) {
    const std::string name = key(result, "answer");
    if (const auto kept = journal_.find(name)) {
      result.answer = Completion{kept->at("text"), kept->at("finish_reason"),
                                 kept->at("prompt_tokens"), kept->at("completion_tokens")};
      return;
    }
    const auto& temperatures = plan_.input.settings.temperatures;
    const Sampling sampling{temperatures[static_cast<size_t>(result.sample) % temperatures.size()],
                            plan_.input.settings.max_tokens};
    result.answer =
        chat(plan_.model, result.item.messages, result.item.tools, sampling, seed(result));
    journal_.keep(name, {{"text", result.answer->text},
                         {"finish_reason", result.answer->finish_reason},
                         {"prompt_tokens", result.answer->prompt_tokens},
                         {"completion_tokens", result.answer->completion_tokens}});
  }

  void judge(ItemResult& result) {
    const std::string name = key(result, "verdict");
    if (const auto kept = journal_.find(name)) {
      result.verdict = kept->at("text");
      return;
    }
    const Ask ask = [&](const Messages& messages) {
      return chat(plan_.judge.value(), messages, Json(), Sampling{}, seed(result)).text;
    };
    result.verdict = plan_.task->verdict(result.item, result.answer->text, ask);
    journal_.keep(name, {{"text", result.verdict}});
  }

  // A text that a published pattern can't be matched against in any bearable time is this item's
  // failure, not the run's.
  void score(ItemResult& result) {
    try {
      result.outcome = plan_.task->score(result.item, result.answer->text, result.verdict);
    } catch (const Error& error) {
      result.failure = error.what();
    }
  }

  void report(const ItemResult& result) {
    const std::lock_guard lock(mutex_);
    ++progress_.done;
    if (result.outcome) {
      progress_.score_sum += result.outcome->score;
    } else {
      ++progress_.failed;
    }
    if (on_progress_) on_progress_(progress_);
  }

  const RunPlan& plan_;
  Journal& journal_;
  const std::function<void(const Progress&)>& on_progress_;
  std::vector<ItemResult> results_;
  std::atomic<size_t> next_ = 0;
  std::atomic<bool> stopped_ = false;
  std::mutex mutex_;
  Progress progress_;
  std::exception_ptr why_;
};

}  // namespace

std::vector<ItemResult> run_plan(const RunPlan& plan, Journal& journal,
                                 const std::function<void(const Progress&)>& on_progress) {
  return Run(plan, journal, on_progress).results();
}

Json run_identity(const RunPlan& plan) {
  const Settings& settings = plan.input.settings;
  Json identity = {{"task", plan.task->name},           {"model", plan.model.model},
                   {"model_source", plan.model_source}, {"temperatures", settings.temperatures},
                   {"samples", settings.samples},       {"shots", settings.shots},
                   {"max_tokens", settings.max_tokens}, {"seed", settings.seed},
                   {"limit", settings.limit},           {"options", plan.input.options}};
  if (!plan.input.data.empty()) identity["data_sha256"] = data_digest(plan.input.data);
  if (!plan.input.shots.empty()) identity["shots_sha256"] = data_digest(plan.input.shots);
  if (plan.judge) {
    identity["judge"] = plan.judge->model;
    identity["judge_source"] = plan.judge->address.text();
  }
  return identity;
}

}  // namespace fathom::eval
