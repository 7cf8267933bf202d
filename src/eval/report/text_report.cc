#include <fmt/format.h>

#include <algorithm>

#include "eval/report/published_scores.h"
#include "eval/report/results.h"

namespace fathom::eval {
namespace {

double per_cent(const Json& document, const char* name) {
  return 100 * document.at(name).get<double>();
}

std::string bar(double score_per_cent) {
  constexpr int kWidth = 30;
  const int filled = std::clamp(static_cast<int>(score_per_cent * kWidth / 100 + 0.5), 0, kWidth);
  return fmt::format("{:#<{}}{:.<{}}", "", filled, "", kWidth - filled);
}

std::string line(const std::string& name, double value, const std::string& tail = "") {
  return fmt::format("  {:<26} {:>6.1f}  {}{}\n", name, value, bar(value), tail);
}

}  // namespace

std::string results_text(const Json& results) {
  const Json& interval = results.at("interval");
  std::string out =
      fmt::format("{} ({}), {} requests\n", results.at("title").get<std::string>(),
                  results.at("metric").get<std::string>(), results.at("requests").get<int64_t>());
  out += line(
      results.at("model").get<std::string>(), per_cent(results, "score"),
      fmt::format("  95% {:.1f} to {:.1f}", per_cent(interval, "low"), per_cent(interval, "high")));
  if (const PublishedRow* row = find_published(results.value("published", ""))) {
    out += fmt::format("published ({}):\n", row->metric);
    for (size_t i = 0; i < kPublishedModels.size(); ++i) {
      out += line(std::string(kPublishedModels[i]), row->scores[i]);
    }
  }
  for (const char* figures : {"metrics", "figures"}) {
    if (!results.contains(figures)) continue;
    for (const auto& [name, value] : results[figures].items()) {
      if (value.is_number()) {
        out += fmt::format("  {:<26} {:>6.1f}\n", name, 100 * value.get<double>());
      }
    }
  }
  for (const auto& [k, value] : results.at("pass_at").items()) {
    out += fmt::format("  {:<26} {:>6.1f}\n", "pass@" + k, 100 * value.get<double>());
  }
  if (const int64_t failed = results.at("failed"); failed > 0) {
    out += fmt::format(
        "{} requests failed and are not in the score; the same command asks them "
        "again\n",
        failed);
  }
  if (const int64_t cut = results.at("cut_short"); cut > 0) {
    out += fmt::format("{} answers reached the output limit\n", cut);
  }
  if (results.contains("note")) out += results["note"].get<std::string>() + "\n";
  return out;
}

std::string comparison_text(const Json& comparison) {
  const Json &a = comparison.at("a"), &b = comparison.at("b");
  const Json& interval = comparison.at("interval");
  std::string out = fmt::format("{}, {} items in both\n", comparison.at("title").get<std::string>(),
                                comparison.at("items").get<int64_t>());
  out += line("A " + a.at("model").get<std::string>(), per_cent(a, "score"));
  out += line("B " + b.at("model").get<std::string>(), per_cent(b, "score"));
  out +=
      fmt::format("  B - A  {:+.2f}  95% {:+.2f} to {:+.2f}\n", per_cent(comparison, "difference"),
                  per_cent(interval, "low"), per_cent(interval, "high"));
  out += fmt::format(
      "  A better on {} items, B on {}; {}: p = {:.4g}, {}\n",
      comparison.at("a_better").get<int64_t>(), comparison.at("b_better").get<int64_t>(),
      comparison.at("test").get<std::string>(), comparison.at("p_value").get<double>(),
      comparison.at("significant").get<bool>() ? "significant at 0.05" : "not significant at 0.05");
  return out;
}

}  // namespace fathom::eval
