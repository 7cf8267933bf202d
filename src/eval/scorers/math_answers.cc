#include "eval/scorers/math_answers.h"

#include "eval/python_text.h"
#include "eval/scorers/latex.h"

namespace fathom::eval {
namespace {

using python::replace;

// The part of the answer before "\text{ ", which in the data only ever opens a unit. Raises
// (nothing) where it stands twice.
std::optional<std::string> without_right_units(const std::string& text) {
  if (text.find("\\text{ ") == std::string::npos) return text;
  const auto parts = python::split(text, "\\text{ ");
  if (parts.size() != 2) return std::nullopt;
  return parts[0];
}

// \sqrt3 to \sqrt{3}. Raises where \sqrt ends the text or meets the next.
std::optional<std::string> with_braced_roots(const std::string& text) {
  const auto parts = python::split(text, "\\sqrt");
  std::string out = parts[0];
  for (size_t i = 1; i < parts.size(); ++i) {
    const std::string& part = parts[i];
    if (part.empty()) return std::nullopt;
    if (part[0] == '{') {
      out += "\\sqrt" + part;
    } else {
      const size_t size = python::first_size(part);
      out += "\\sqrt{" + part.substr(0, size) + "}" + part.substr(size);
    }
  }
  return out;
}

// `_strip_string` of hendrycks/math and of what descends from it.
std::optional<std::string> stripped(std::string_view answer, SlashRule slash_rule) {
  std::string text = replace(answer, "\n", "");
  text = replace(text, "\\!", "");
  text = replace(text, "\\\\", "\\");
  text = replace(text, "tfrac", "frac");
  text = replace(text, "dfrac", "frac");
  text = replace(text, "\\left", "");
  text = replace(text, "\\right", "");
  text = replace(text, "^{\\circ}", "");
  text = replace(text, "^\\circ", "");
  text = replace(text, "\\$", "");
  const auto unitless = without_right_units(text);
  if (!unitless) return std::nullopt;
  text = replace(*unitless, "\\%", "");
  text = replace(text, " .", " 0.");
  text = replace(text, "{.", "{0.");
  if (text.empty()) return text;
  if (text[0] == '.') text = "0" + text;
  text = without_short_left_side(text);
  const auto rooted = with_braced_roots(text);
  if (!rooted) return std::nullopt;
  text = replace(*rooted, " ", "");
  const auto braced = with_braced_fractions(text, EmptyFraction::kRaises);
  if (!braced) return std::nullopt;
  text = *braced;
  if (text == "0.5") text = "\\frac{1}{2}";
  return with_latex_slash(text, slash_rule);
}

bool equivalent(std::string_view a, std::string_view b, SlashRule slash_rule) {
  const auto left = stripped(a, slash_rule);
  if (!left) return a == b;
  const auto right = stripped(b, slash_rule);
  if (!right) return a == b;
  return *left == *right;
}

// The harness's own reading of "\boxed 33": up to the next dollar sign.
std::optional<std::string> aime_boxed(std::string_view response) {
  constexpr std::string_view kSpaced = "\\boxed ";
  const size_t spaced = response.rfind(kSpaced);
  if (spaced == std::string_view::npos) {
    const auto boxed = last_boxed(response);
    return boxed ? boxed_content(*boxed) : std::nullopt;
  }
  const std::string_view rest = response.substr(spaced + kSpaced.size());
  return std::string(rest.substr(0, rest.find('$')));
}

}  // namespace

std::optional<std::string> last_boxed(std::string_view text) {
  size_t begin = text.rfind("\\boxed");
  if (begin == std::string_view::npos) begin = text.rfind("\\fbox");
  if (begin == std::string_view::npos) return std::nullopt;
  int open = 0;
  for (size_t at = begin; at < text.size(); ++at) {
    if (text[at] == '{') ++open;
    if (text[at] == '}' && --open == 0) return std::string(text.substr(begin, at + 1 - begin));
  }
  return std::nullopt;
}

std::optional<std::string> boxed_content(std::string_view boxed) {
  constexpr std::string_view kLeft = "\\boxed{";
  if (!boxed.starts_with(kLeft) || !boxed.ends_with('}')) return std::nullopt;
  return std::string(boxed.substr(kLeft.size(), boxed.size() - kLeft.size() - 1));
}

std::optional<std::string> normalized_math(std::string_view answer) {
  return stripped(answer, SlashRule::kKeepsOther);
}

bool math_equivalent(std::string_view a, std::string_view b) {
  return equivalent(a, b, SlashRule::kKeepsOther);
}

std::string aime_answer(std::string_view response) {
  if (const auto content = aime_boxed(response)) return *content;
  const size_t first = response.find('$'), last = response.rfind('$');
  if (first == last) return std::string(response);
  return std::string(response.substr(first + 1, last - first - 1));
}

bool aime_equivalent(std::string_view answer, std::string_view key) {
  return equivalent(answer, key, SlashRule::kRaisesOnOther);
}

}  // namespace fathom::eval
