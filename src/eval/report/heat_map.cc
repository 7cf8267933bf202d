#include "eval/report/heat_map.h"

#include <fmt/format.h>

#include <cmath>

namespace fathom::eval {
namespace {

// From red over yellow to green, as such figures are drawn.
std::string color(double score) {
  const double low[3] = {214, 69, 65}, middle[3] = {250, 204, 80}, high[3] = {46, 160, 90};
  const double* from = score < 0.5 ? low : middle;
  const double* to = score < 0.5 ? middle : high;
  const double t = score < 0.5 ? score * 2 : score * 2 - 1;
  const auto mix = [&](int i) {
    return static_cast<int>(std::lround(from[i] + t * (to[i] - from[i])));
  };
  return fmt::format("rgb({},{},{})", mix(0), mix(1), mix(2));
}

}  // namespace

std::string heat_map_svg(const Json& map) {
  constexpr int kLeft = 90, kTop = 26, kHeight = 34, kWidth = 720;
  const Json &columns = map.at("columns"), &rows = map.at("rows"), &cells = map.at("cells");
  const double width = static_cast<double>(kWidth) / static_cast<double>(columns.size());
  const int bottom = kTop + static_cast<int>(rows.size()) * kHeight;
  std::string out = fmt::format(
      "<svg role=\"img\" viewBox=\"0 0 {} {}\" width=\"100%\" aria-label=\"Score by {} and {}\">\n",
      kLeft + kWidth + 10, bottom + 44, map.at("x").get<std::string>(),
      map.at("y").get<std::string>());
  out += fmt::format("<text x=\"0\" y=\"16\">{}</text>\n", map.at("y").get<std::string>());
  for (size_t row = 0; row < rows.size(); ++row) {
    const int y = kTop + static_cast<int>(row) * kHeight;
    out += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>", kLeft - 8, y + 22,
                       rows[row].get<std::string>());
    for (size_t column = 0; column < columns.size(); ++column) {
      const Json& cell = cells[row][column];
      const double x = kLeft + static_cast<double>(column) * width;
      out += fmt::format(
          "<rect x=\"{:.1f}\" y=\"{}\" width=\"{:.1f}\" height=\"{}\" fill=\"{}\"><title>{}</title>"
          "</rect>",
          x + 1, y + 1, width - 2, kHeight - 2,
          cell.is_null() ? "none\" stroke=\"currentColor" : color(cell.get<double>()),
          cell.is_null() ? "no answer" : fmt::format("{:.2f}", cell.get<double>()));
    }
    out += "\n";
  }
  for (size_t column = 0; column < columns.size(); ++column) {
    out += fmt::format("<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                       kLeft + (static_cast<double>(column) + 0.5) * width, bottom + 18,
                       columns[column].get<std::string>());
  }
  out += fmt::format("\n<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n</svg>\n",
                     kLeft + kWidth / 2, bottom + 38, map.at("x").get<std::string>());
  return out;
}

}  // namespace fathom::eval
