#include "eval/report/results.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "eval/report/statistics.h"
#include "eval/scorers/likelihood.h"
#include "io/file_system.h"

namespace fathom::eval {
namespace {

constexpr const char* kFormat = "fathom-eval-results";
constexpr int kVersion = 1;

struct Mean {
  double sum = 0;
  int64_t count = 0;
  void add(double value) {
    sum += value;
    ++count;
  }
  double value() const { return count == 0 ? 0 : sum / static_cast<double>(count); }
};

// Each item's mean over its samples, in the order of first appearance.
std::vector<double> item_means(const std::vector<ItemResult>& results) {
  std::vector<std::string> order;
  std::map<std::string, Mean> by_item;
  for (const ItemResult& result : results) {
    if (!result.outcome) continue;
    const auto [entry, is_new] = by_item.try_emplace(result.item.id);
    if (is_new) order.push_back(result.item.id);
    entry->second.add(result.outcome->score);
  }
  std::vector<double> means;
  for (const std::string& id : order) means.push_back(by_item[id].value());
  return means;
}

Json interval_json(const RunPlan& plan, const std::vector<double>& means) {
  const bool binary =
      std::all_of(means.begin(), means.end(), [](double mean) { return mean == 0 || mean == 1; });
  Interval interval;
  if (binary) {
    const auto right = std::count(means.begin(), means.end(), 1.0);
    interval = wilson_interval(right, static_cast<int64_t>(means.size()));
  } else {
    interval = bootstrap_interval(means, plan.input.settings.seed);
  }
  return {{"method", binary ? "wilson" : "bootstrap"},
          {"level", 0.95},
          {"low", interval.low},
          {"high", interval.high}};
}

Json metrics_json(const std::vector<ItemResult>& results) {
  std::map<std::string, Mean> means;
  for (const ItemResult& result : results) {
    if (!result.outcome) continue;
    for (const auto& [name, value] : result.outcome->metrics) means[name].add(value);
  }
  Json metrics = Json::object();
  for (const auto& [name, mean] : means) metrics[name] = mean.value();
  return metrics;
}

Json groups_json(const std::vector<ItemResult>& results) {
  std::map<std::string, std::map<std::string, Mean>> groups;
  for (const ItemResult& result : results) {
    if (!result.outcome) continue;
    for (const auto& [by, group] : result.item.groups) groups[by][group].add(result.outcome->score);
  }
  Json out = Json::object();
  for (const auto& [by, members] : groups) {
    for (const auto& [group, mean] : members) {
      out[by][group] = {{"answered", mean.count}, {"score", mean.value()}};
    }
  }
  return out;
}

// pass@k for the usual k that the samples allow, where every score is right or wrong.
Json pass_at_k_json(const RunPlan& plan, const std::vector<ItemResult>& results) {
  Json out = Json::object();
  if (plan.input.settings.samples < 2) return out;
  std::map<std::string, std::pair<int64_t, int64_t>> counts;  // samples, right ones
  for (const ItemResult& result : results) {
    if (!result.outcome) continue;
    if (result.outcome->score != 0 && result.outcome->score != 1) return out;
    auto& [n, c] = counts[result.item.id];
    ++n;
    c += result.outcome->score == 1;
  }
  for (const int64_t k : {1, 2, 4, 5, 8, 10, 16, 32, 64, 100}) {
    if (k > plan.input.settings.samples) break;
    Mean mean;
    for (const auto& [id, count] : counts) {
      if (count.first >= k) mean.add(pass_at_k(count.first, count.second, k));
    }
    if (mean.count > 0) out[std::to_string(k)] = mean.value();
  }
  return out;
}

Json item_json(const ItemResult& result) {
  Json out = {{"id", result.item.id}, {"sample", result.sample}};
  if (result.outcome) {
    out["score"] = result.outcome->score;
    out["extracted"] = result.outcome->extracted;
    for (const auto& [name, value] : result.outcome->metrics) out["metrics"][name] = value;
  } else {
    out["score"] = nullptr;
    out["failure"] = result.failure;
  }
  out["reference"] = result.item.reference;
  if (!result.item.groups.empty()) out["groups"] = result.item.groups;
  if (result.answer) {
    out["answer"] = result.answer->text;
    out["finish_reason"] = result.answer->finish_reason;
    out["prompt_tokens"] = result.answer->prompt_tokens;
    out["completion_tokens"] = result.answer->completion_tokens;
  }
  if (!result.verdict.empty()) out["verdict"] = result.verdict;
  return out;
}

}  // namespace

Json results_json(const RunPlan& plan, const std::vector<ItemResult>& results) {
  const std::vector<double> means = item_means(results);
  Mean score;
  for (const double mean : means) score.add(mean);
  int64_t answered = 0, prompt_tokens = 0, completion_tokens = 0, cut_short = 0;
  for (const ItemResult& result : results) {
    answered += result.outcome.has_value();
    if (!result.answer) continue;
    prompt_tokens += result.answer->prompt_tokens;
    completion_tokens += result.answer->completion_tokens;
    cut_short += result.answer->finish_reason == "length";
  }
  Json out = {{"format", kFormat},
              {"version", kVersion},
              {"task", plan.task->name},
              {"title", plan.task->title},
              {"metric", plan.task->metric},
              {"model", plan.model.model},
              {"run", run_identity(plan)},
              {"score", score.value()},
              {"interval", interval_json(plan, means)},
              {"requests", results.size()},
              {"answered", answered},
              {"failed", static_cast<int64_t>(results.size()) - answered},
              {"cut_short", cut_short},
              {"metrics", metrics_json(results)},
              {"pass_at", pass_at_k_json(plan, results)},
              {"groups", groups_json(results)}};
  if (plan.task->aggregate) {
    std::vector<std::pair<const Item*, const Outcome*>> outcomes;
    for (const ItemResult& result : results) {
      if (result.outcome) outcomes.emplace_back(&result.item, &*result.outcome);
    }
    out["figures"] = plan.task->aggregate(outcomes);
  }
  out["usage"] = {{"prompt_tokens", prompt_tokens}, {"completion_tokens", completion_tokens}};
  if (!plan.task->note.empty()) out["note"] = plan.task->note;
  if (!plan.task->published.empty()) out["published"] = plan.task->published;
  out["items"] = Json::array();
  for (const ItemResult& result : results) out["items"].push_back(item_json(result));
  return out;
}

Json read_results(const std::string& path) {
  const Json document = Json::parse(io::read_file(path), nullptr, false);
  if (!document.is_object() || document.value("format", "") != kFormat) {
    fail(ErrorKind::kBadInput, "{}: no {} document, which a run of fathom eval writes", path,
         kFormat);
  }
  if (document.value("version", 0) != kVersion) {
    fail(ErrorKind::kUnsupported, "{}: version {}, expected {}", path, document.value("version", 0),
         kVersion);
  }
  return document;
}

Json compare_results(const Json& a, const Json& b) {
  if (a.at("task") != b.at("task")) {
    fail(ErrorKind::kBadInput, "the results are of different tasks: {} and {}", a.at("task").dump(),
         b.at("task").dump());
  }
  const auto means_of = [](const Json& document) {
    std::map<std::string, Mean> means;
    for (const Json& item : document.at("items")) {
      if (item.at("score").is_number()) means[item.at("id")].add(item.at("score"));
    }
    return means;
  };
  const auto first = means_of(a), second = means_of(b);
  std::vector<std::pair<double, double>> pairs;
  int64_t only_a = 0, only_b = 0, better_a = 0, better_b = 0;
  bool binary = true;
  for (const auto& [id, mean] : first) {
    const auto other = second.find(id);
    if (other == second.end()) continue;
    const double x = mean.value(), y = other->second.value();
    pairs.emplace_back(x, y);
    binary = binary && (x == 0 || x == 1) && (y == 0 || y == 1);
    only_a += x == 1 && y == 0;
    only_b += x == 0 && y == 1;
    better_a += x > y;
    better_b += y > x;
  }
  if (pairs.empty()) fail(ErrorKind::kBadInput, "the results have no answered item in common");
  const PairedDifference difference = paired_difference(pairs, 0);
  const double p = binary ? mcnemar_exact(only_a, only_b) : difference.p_value;
  Mean score_a, score_b;
  for (const auto& [x, y] : pairs) {
    score_a.add(x);
    score_b.add(y);
  }
  const auto side = [&](const Json& document, const Mean& mean, size_t all) {
    return Json{{"model", document.at("model")},
                {"score", mean.value()},
                {"left_out", static_cast<int64_t>(all) - static_cast<int64_t>(pairs.size())}};
  };
  return {{"task", a.at("task")},
          {"title", a.at("title")},
          {"a", side(a, score_a, first.size())},
          {"b", side(b, score_b, second.size())},
          {"items", pairs.size()},
          {"a_better", better_a},
          {"b_better", better_b},
          {"difference", difference.mean},
          {"interval",
           {{"level", 0.95}, {"low", difference.interval.low}, {"high", difference.interval.high}}},
          {"test", binary ? "McNemar, exact" : "paired sign flips"},
          {"p_value", p},
          {"significant", p < 0.05}};
}

}  // namespace fathom::eval
