#include "train/report.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <vector>

#include <nlohmann/json.hpp>

#include "io/file_system.h"

namespace fathom::train {
namespace {

using nlohmann::json;

constexpr double kWidth = 860, kHeight = 240, kLeft = 64, kBottom = 28, kTop = 10, kRight = 12;
constexpr const char* kColors[] = {"#2563eb", "#dc2626", "#059669", "#d97706",
                                   "#7c3aed", "#0891b2", "#be185d", "#4d7c0f"};

struct Series {
  std::string name;
  std::vector<double> x, y;
};

std::string number(double v) {
  const double a = std::fabs(v);
  if (a != 0 && (a < 1e-3 || a >= 1e6)) return fmt::format("{:.1e}", v);
  return fmt::format("{:.4g}", v);
}

/// At most a thousand points: means over equal stretches.
Series thinned(const Series& s) {
  constexpr size_t kPoints = 1000;
  if (s.x.size() <= kPoints) return s;
  Series out{s.name, {}, {}};
  for (size_t i = 0; i < kPoints; ++i) {
    const size_t first = i * s.x.size() / kPoints, last = (i + 1) * s.x.size() / kPoints;
    double sum = 0;
    for (size_t j = first; j < last; ++j) sum += s.y[j];
    out.x.push_back(s.x[last - 1]);
    out.y.push_back(sum / static_cast<double>(last - first));
  }
  return out;
}

std::string plot(const std::string& title, const std::vector<Series>& all) {
  double x0 = std::numeric_limits<double>::infinity(), x1 = -x0, y0 = x0, y1 = -x0;
  for (const Series& s : all) {
    for (size_t i = 0; i < s.x.size(); ++i) {
      x0 = std::min(x0, s.x[i]);
      x1 = std::max(x1, s.x[i]);
      y0 = std::min(y0, s.y[i]);
      y1 = std::max(y1, s.y[i]);
    }
  }
  if (!(x0 <= x1)) return "";
  if (x1 == x0) x1 = x0 + 1;
  if (y1 == y0) y1 = y0 + 1;
  const auto px = [&](double x) {
    return kLeft + (x - x0) / (x1 - x0) * (kWidth - kLeft - kRight);
  };
  const auto py = [&](double y) {
    return kHeight - kBottom - (y - y0) / (y1 - y0) * (kHeight - kBottom - kTop);
  };
  std::string svg = fmt::format("<h2>{}</h2><svg viewBox='0 0 {} {}'>", title, kWidth, kHeight);
  for (int i = 0; i <= 4; ++i) {
    const double y = y0 + (y1 - y0) * i / 4, x = x0 + (x1 - x0) * i / 4;
    svg += fmt::format(
        "<line class='grid' x1='{0}' x2='{1}' y1='{2:.1f}' y2='{2:.1f}'/>"
        "<text x='{3}' y='{4:.1f}' text-anchor='end'>{5}</text>"
        "<text x='{6:.1f}' y='{7}' text-anchor='middle'>{8}</text>",
        kLeft, kWidth - kRight, py(y), kLeft - 6, py(y) + 4, number(y), px(x), kHeight - 8,
        number(x));
  }
  std::string legend;
  for (size_t i = 0; i < all.size(); ++i) {
    const char* color = kColors[i % std::size(kColors)];
    const Series s = thinned(all[i]);
    svg += fmt::format("<polyline fill='none' stroke='{}' points='", color);
    for (size_t j = 0; j < s.x.size(); ++j)
      svg += fmt::format("{:.1f},{:.1f} ", px(s.x[j]), py(s.y[j]));
    svg += "'/>";
    legend += fmt::format("<span style='color:{}'>&#9632; {}</span> ", color, s.name);
  }
  return svg + "</svg><p>" + (all.size() > 1 ? legend : "") + "</p>";
}

/// Share of each expert among a layer's choices, over time; white is the mean, red twice as much.
std::string heat_map(const std::vector<json>& steps, size_t layers) {
  constexpr size_t kColumns = 120;
  const size_t all = steps.empty() ? 0 : steps.front()["load"].size();
  if (layers == 0 || all == 0) return "";
  const size_t experts = all / layers, columns = std::min(kColumns, steps.size());
  const double cell_x = (kWidth - kLeft) / static_cast<double>(columns), cell_y = 8;
  std::string out = "<h2>Expert load, relative to the mean</h2>";
  for (size_t layer = 0; layer < layers; ++layer) {
    out += fmt::format("<p>MoE layer {}</p><svg viewBox='0 0 {} {}' shape-rendering='crispEdges'>",
                       layer, kWidth, cell_y * static_cast<double>(experts));
    for (size_t column = 0; column < columns; ++column) {
      std::vector<double> sum(experts, 0.0);
      double total = 0;
      const size_t first = column * steps.size() / columns;
      const size_t last = std::max(first + 1, (column + 1) * steps.size() / columns);
      for (size_t i = first; i < last; ++i) {
        for (size_t e = 0; e < experts; ++e) {
          const double n = steps[i]["load"][layer * experts + e].get<double>();
          sum[e] += n;
          total += n;
        }
      }
      for (size_t e = 0; e < experts; ++e) {
        const double relative = total > 0 ? sum[e] * static_cast<double>(experts) / total : 0;
        const double deviation = std::clamp(relative - 1, -1.0, 1.0);
        const int fade = static_cast<int>(255 * (1 - std::fabs(deviation)));
        const std::string color = deviation > 0 ? fmt::format("rgb(255,{0},{0})", fade)
                                                : fmt::format("rgb({0},{0},255)", fade);
        out += fmt::format("<rect x='{:.1f}' y='{:.1f}' width='{:.2f}' height='{}' fill='{}'/>",
                           kLeft + static_cast<double>(column) * cell_x,
                           static_cast<double>(e) * cell_y, cell_x + 0.1, cell_y, color);
      }
    }
    out += "</svg>";
  }
  return out;
}

Series series_of(const std::vector<json>& lines, const std::string& name, const std::string& key) {
  Series s{name, {}, {}};
  for (const json& line : lines) {
    s.x.push_back(line.at("step").get<double>());
    s.y.push_back(line.at(key).get<double>());
  }
  return s;
}

}  // namespace

void write_report(const std::string& log, const std::string& html) {
  std::vector<json> steps, validations;
  std::ifstream in(log);
  for (std::string line; std::getline(in, line);) {
    json parsed = json::parse(line, nullptr, false);
    if (!parsed.is_object()) continue;
    (parsed.contains("validation_loss") ? validations : steps).push_back(std::move(parsed));
  }
  const size_t layers = steps.empty() ? 0 : steps.front().at("max_violation").size();
  std::vector<Series> loss = {series_of(steps, "training", "loss")};
  std::vector<Series> mtp = {series_of(steps, "training", "mtp_loss")};
  if (!validations.empty()) {
    loss.push_back(series_of(validations, "validation", "validation_loss"));
    mtp.push_back(series_of(validations, "validation", "validation_mtp_loss"));
  }
  std::vector<Series> violation(layers);
  for (size_t i = 0; i < layers; ++i) {
    violation[i].name = fmt::format("MoE layer {}", i);
    for (const json& line : steps) {
      violation[i].x.push_back(line["step"].get<double>());
      violation[i].y.push_back(line["max_violation"][i].get<double>());
    }
  }
  std::string page =
      "<!doctype html><html lang='en'><meta charset='utf-8'><title>Training run</title><style>"
      "body{font:15px/1.5 system-ui,sans-serif;max-width:900px;margin:2em auto;padding:0 1em;"
      "color:#1f2937}h2{font-size:1em;margin:1.5em 0 0}svg{width:100%;display:block}"
      "text{font-size:11px;fill:#6b7280}.grid{stroke:#e5e7eb}polyline{stroke-width:1.3}"
      "p{margin:.2em 0}</style><h1>Training run</h1>";
  if (!steps.empty()) {
    const json& last = steps.back();
    page += fmt::format("<p>Step {}, {} tokens, loss {:.4f}, MTP loss {:.4f}.</p>",
                        last["step"].get<int64_t>(), last["tokens"].get<int64_t>(),
                        last["loss"].get<double>(), last["mtp_loss"].get<double>());
    if (!validations.empty()) {
      page += fmt::format("<p>Validation loss {:.4f}.</p>",
                          validations.back()["validation_loss"].get<double>());
    }
  }
  page += plot("Loss, nats a token", loss) + plot("MTP loss, nats a token", mtp) +
          plot("Share of MTP's first choices that are right",
               {series_of(steps, "training", "mtp_accuracy")}) +
          plot("Learning rate", {series_of(steps, "lr", "lr")}) +
          plot("Gradient norm", {series_of(steps, "norm", "grad_norm")}) +
          plot("MaxVio (max load / mean load - 1)", violation) + heat_map(steps, layers) +
          plot("Tokens per second", {series_of(steps, "tokens/s", "tokens_per_second")}) +
          "</html>\n";
  io::write_file_atomically(io::system_files(), html, page);
}

}  // namespace fathom::train
