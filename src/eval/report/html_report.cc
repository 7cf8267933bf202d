// One self-contained page: styles and pictures inside, no script, nothing to fetch.
#include <fmt/format.h>

#include <algorithm>

#include "eval/python_text.h"
#include "eval/report/heat_map.h"
#include "eval/report/published_scores.h"
#include "eval/report/results.h"

namespace fathom::eval {
namespace {

// A prompt's longer middle is left out of the page; the data file has it.
constexpr size_t kShownCharacters = 6000;

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string shown(const std::string& text) {
  const size_t all = python::length(text);
  if (all <= kShownCharacters) return escaped(text);
  return escaped(python::without_middle(text, kShownCharacters)) +
         fmt::format("\n[{} characters from the middle are not shown]", all - kShownCharacters);
}

constexpr const char* kStyle = R"(
:root{color-scheme:light dark;--ink:#1a1c20;--soft:#6b7280;--line:#d9dde3;--page:#fff;--box:#f6f7f9;--ours:#2f6fde;--theirs:#a9b4c4;--right:#1c8a4b;--wrong:#c23b3b}
@media(prefers-color-scheme:dark){:root{--ink:#e8eaed;--soft:#9aa3af;--line:#3a3f47;--page:#16181c;--box:#1f2227;--ours:#6ea0ff;--theirs:#56606e;--right:#5fc98b;--wrong:#f08080}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}
.big{font-size:3rem;font-weight:600;line-height:1.1}.soft{color:var(--soft)}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line)}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
details{border:1px solid var(--line);border-radius:6px;margin:.35rem 0}summary{padding:.4rem .7rem;cursor:pointer}
summary .right{color:var(--right)}summary .wrong{color:var(--wrong)}
details>div{padding:0 .7rem .7rem}pre{white-space:pre-wrap;overflow-wrap:anywhere;background:var(--box);padding:.6rem;border-radius:6px;margin:.2rem 0 .6rem}
svg text{fill:var(--ink);font:13px system-ui,sans-serif}
)";

struct Bar {
  std::string name;
  double value;
  bool ours;
  double low = 0, high = 0;
};

std::string bar_chart(const std::vector<Bar>& bars) {
  constexpr int kRow = 30, kLeft = 210, kWidth = 560;
  const auto x = [&](double value) { return kLeft + value / 100 * kWidth; };
  std::string out = fmt::format(
      "<svg role=\"img\" viewBox=\"0 0 {} {}\" width=\"100%\" aria-label=\"Scores in per cent\">\n",
      kLeft + kWidth + 60, static_cast<int>(bars.size()) * kRow + 6);
  int y = 3;
  for (const Bar& bar : bars) {
    out += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"end\"{}>{}</text>", kLeft - 10,
                       y + 19, bar.ours ? " font-weight=\"700\"" : "", escaped(bar.name));
    out += fmt::format(
        "<rect x=\"{}\" y=\"{}\" width=\"{:.1f}\" height=\"{}\" rx=\"3\" fill=\"var(--{})\"/>",
        kLeft, y + 4, std::max(1.0, x(bar.value) - kLeft), kRow - 8, bar.ours ? "ours" : "theirs");
    double label_at = x(bar.value);
    if (bar.ours && bar.high > bar.low) {
      out += fmt::format(
          "<path d=\"M{0:.1f} {2}v8m0-4H{1:.1f}m0-4v8\" stroke=\"var(--ink)\" fill=\"none\"/>",
          x(bar.low), x(bar.high), y + kRow / 2 - 4);
      label_at = x(bar.high);
    }
    out +=
        fmt::format("<text x=\"{:.1f}\" y=\"{}\">{:.1f}</text>\n", label_at + 6, y + 19, bar.value);
    y += kRow;
  }
  return out + "</svg>\n";
}

std::string chart(const Json& document) {
  const Json& interval = document.at("interval");
  std::vector<Bar> bars = {{document.at("model").get<std::string>() + " (this run)",
                            100 * document.at("score").get<double>(), true,
                            100 * interval.at("low").get<double>(),
                            100 * interval.at("high").get<double>()}};
  const PublishedRow* row = find_published(document.value("published", ""));
  if (row == nullptr) return bar_chart(bars);
  for (size_t i = 0; i < kPublishedModels.size(); ++i) {
    bars.push_back({std::string(kPublishedModels[i]), row->scores[i], false});
  }
  return bar_chart(bars) +
         fmt::format(
             "<p class=\"soft\">Grey: {} ({}) as the DeepSeek-V3 report prints it (README of "
             "deepseek-ai/DeepSeek-V3; Table 6 of arXiv 2412.19437).</p>\n",
             escaped(row->benchmark), escaped(row->metric));
}

std::string figure_row(const std::string& name, const Json& value) {
  return value.is_number() ? fmt::format("<tr><td>{}</td><td class=\"n\">{:.1f}</td></tr>\n",
                                         escaped(name), 100 * value.get<double>())
                           : "";
}

std::string figures(const Json& document) {
  std::string rows;
  for (const char* kind : {"metrics", "figures"}) {
    if (!document.contains(kind)) continue;
    for (const auto& [name, value] : document[kind].items()) rows += figure_row(name, value);
  }
  for (const auto& [k, value] : document.at("pass_at").items()) {
    rows += figure_row("pass@" + k, value);
  }
  return rows.empty() ? "" : "<h2>Further figures</h2>\n<table>\n" + rows + "</table>\n";
}

std::string groups(const Json& document) {
  std::string out;
  for (const auto& [by, members] : document.at("groups").items()) {
    out += fmt::format(
        "<h2>By {}</h2>\n<table><tr><th>{}</th><th class=\"n\">answered</th><th "
        "class=\"n\">score</th></tr>\n",
        escaped(by), escaped(by));
    for (const auto& [group, entry] : members.items()) {
      out += fmt::format("<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{:.1f}</td></tr>\n",
                         escaped(group), entry.at("answered").get<int64_t>(),
                         100 * entry.at("score").get<double>());
    }
    out += "</table>\n";
  }
  return out;
}

std::string section(const char* title, const std::string& body) {
  return fmt::format("<div class=\"soft\">{}</div><pre>{}</pre>\n", title, body);
}

std::string transcript(const ItemResult& result) {
  const bool right = result.outcome && result.outcome->score >= 0.5;
  std::string mark = "<span class=\"wrong\">failed</span>";
  if (result.outcome) {
    mark = fmt::format("<span class=\"{}\">{:.2f}</span>", right ? "right" : "wrong",
                       result.outcome->score);
  }
  std::string out =
      fmt::format("<details><summary>{}{} &middot; {}</summary><div>\n", escaped(result.item.id),
                  result.sample > 0 ? fmt::format(" #{}", result.sample + 1) : "", mark);
  for (const Json& message : result.item.messages) {
    const Json content = message.value("content", Json());
    out += section(message.value("role", "").c_str(),
                   shown(content.is_string() ? content.get<std::string>() : message.dump()));
  }
  if (result.answer) out += section("answer", shown(result.answer->text));
  if (!result.verdict.empty()) out += section("verdict", shown(result.verdict));
  if (result.outcome) {
    out += section("read out of it", shown(result.outcome->extracted.dump()));
  } else {
    out += section("failure", shown(result.failure));
  }
  out += section("reference",
                 shown(result.item.reference.is_string() ? result.item.reference.get<std::string>()
                                                         : result.item.reference.dump(1)));
  return out + "</div></details>\n";
}

}  // namespace

std::string results_html(const Json& document, const std::vector<ItemResult>& results) {
  const Json& interval = document.at("interval");
  std::string out = "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\n<title>";
  const std::string title = fmt::format("{}: {}", document.at("title").get<std::string>(),
                                        document.at("model").get<std::string>());
  out +=
      escaped(title) + "</title>\n<style>" + kStyle + "</style>\n<h1>" + escaped(title) + "</h1>\n";
  out += fmt::format(
      "<div class=\"big\">{:.1f}</div>\n<p>{}, 95% interval {:.1f} to {:.1f} ({}). {} requests, {} "
      "failed and left out of the score, {} answers cut at the output limit.</p>\n",
      100 * document.at("score").get<double>(), escaped(document.at("metric").get<std::string>()),
      100 * interval.at("low").get<double>(), 100 * interval.at("high").get<double>(),
      interval.at("method").get<std::string>(), document.at("requests").get<int64_t>(),
      document.at("failed").get<int64_t>(), document.at("cut_short").get<int64_t>());
  if (document.contains("note")) {
    out += "<p>" + escaped(document["note"].get<std::string>()) + "</p>\n";
  }
  out += chart(document);
  if (document.contains("figures") && document["figures"].contains("heat_map")) {
    out += heat_map_svg(document["figures"]["heat_map"]);
  }
  out += figures(document) + groups(document);
  out += "<h2>Run</h2>\n<pre>" + escaped(document.at("run").dump(1)) + "</pre>\n<h2>Items</h2>\n";
  for (const ItemResult& result : results) out += transcript(result);
  return out + "</html>\n";
}

}  // namespace fathom::eval
