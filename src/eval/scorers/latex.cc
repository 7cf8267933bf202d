#include "eval/scorers/latex.h"

#include "eval/python_text.h"

namespace fathom::eval {

std::string without_short_left_side(const std::string& text) {
  const auto sides = python::split(text, "=");
  return sides.size() == 2 && python::length(sides[0]) <= 2 ? sides[1] : text;
}

std::optional<std::string> with_braced_fractions(const std::string& text, EmptyFraction empty) {
  const auto parts = python::split(text, "\\frac");
  std::string out = parts[0];
  for (size_t i = 1; i < parts.size(); ++i) {
    const std::string& part = parts[i];
    if (part.empty() && empty == EmptyFraction::kRaises) return std::nullopt;
    out += "\\frac";
    if (part.starts_with('{')) {
      out += part;
      continue;
    }
    if (python::length(part) < 2) return text;
    const size_t first = python::first_size(part);
    const std::string_view rest = std::string_view(part).substr(first);
    const size_t second = python::first_size(rest);
    out += "{" + part.substr(0, first) + "}";
    if (rest[0] == '{') {
      out += rest;
    } else {
      out += "{" + std::string(rest.substr(0, second)) + "}" + std::string(rest.substr(second));
    }
  }
  return out;
}

std::optional<std::string> with_latex_slash(const std::string& text, SlashRule rule) {
  const auto sides = python::split(text, "/");
  if (sides.size() != 2) return text;
  if (!python::is_int(sides[0]) || !python::is_int(sides[1])) {
    return rule == SlashRule::kRaisesOnOther ? std::nullopt : std::optional(text);
  }
  if (!python::is_canonical_int(sides[0]) || !python::is_canonical_int(sides[1])) return text;
  return "\\frac{" + sides[0] + "}{" + sides[1] + "}";
}

}  // namespace fathom::eval
