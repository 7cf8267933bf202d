// OpenCompass's `normalize_final_answer`, `math_postprocess_v2` and `is_equiv` of version v2
// (opencompass/datasets/math.py), which its LiveMathBench uses where no judge model is set.
#include <optional>
#include <utility>

#include "eval/python_regex.h"
#include "eval/python_text.h"
#include "eval/scorers/latex.h"
#include "eval/scorers/math_answers.h"

namespace fathom::eval {
namespace {

using python::Regex;
using python::replace;

// The first group of the last match.
std::optional<std::string> last_group(const Regex& pattern, const std::string& text) {
  const auto all = pattern.find_all(text);
  return all.empty() ? std::nullopt : all.back()[1];
}

std::string without_words_and_units(std::string_view answer) {
  constexpr std::pair<std::string_view, std::string_view> kSubstitutions[] = {
      {"an ", ""},          {"a ", ""},
      {".$", "$"},          {"\\$", ""},
      {"\\ ", ""},          {" ", ""},
      {"mbox", "text"},     {",\\text{and}", ","},
      {"\\text{and}", ","}, {"\\text{m}", "\\text{}"},
      {"\\le", "<"}};
  constexpr std::string_view kRemoved[] = {"square",
                                           "ways",
                                           "integers",
                                           "dollars",
                                           "mph",
                                           "inches",
                                           "ft",
                                           "hours",
                                           "km",
                                           "units",
                                           "\\ldots",
                                           "sue",
                                           "points",
                                           "feet",
                                           "minutes",
                                           "digits",
                                           "cents",
                                           "degrees",
                                           "cm",
                                           "gm",
                                           "pounds",
                                           "meters",
                                           "meals",
                                           "edges",
                                           "students",
                                           "childrentickets",
                                           "multiples",
                                           "\\text{s}",
                                           "\\text{.}",
                                           "\\text{\ns}",
                                           "\\text{}^2",
                                           "\\text{}^3",
                                           "\\text{\n}",
                                           "\\text{}",
                                           "\\mathrm{th}",
                                           "^\\circ",
                                           "^{\\circ}",
                                           "\\;",
                                           ",\\!",
                                           "{,}",
                                           "\"",
                                           "\\dots",
                                           "\n",
                                           "\r",
                                           "\f"};
  std::string text(answer);
  for (const auto& [from, to] : kSubstitutions) text = replace(text, from, to);
  for (const std::string_view word : kRemoved) text = replace(text, word, "");
  return text;
}

std::string normalized_final_answer(std::string_view answer) {
  static const Regex bracketed_text("(\\\\text\\{)\\((.*?)\\)(\\})");
  static const Regex text_command("(\\\\text\\{)(.*?)(\\})");
  static const Regex bold("(\\\\textbf\\{)(.*?)(\\})");
  static const Regex overline("(\\\\overline\\{)(.*?)(\\})");
  static const Regex box("(\\\\boxed\\{)(.*)(\\})");
  static const Regex final_answer_is("finalansweris(.*)"), answer_is("answer?is:?(.*)");
  static const Regex inner_box("oxed\\{(.*?)\\}"), between_dollars("\\$(.*?)\\$");
  static const Regex bare_fraction("(frac)([^{])(.)"), bare_root("(sqrt)([^{])");

  std::string text = without_words_and_units(answer);
  for (const Regex* wrapper : {&bracketed_text, &text_command, &bold, &overline, &box}) {
    text = wrapper->substitute(text, "$2");
  }
  for (const Regex* part : {&final_answer_is, &answer_is, &inner_box, &between_dollars}) {
    if (auto last = last_group(*part, text)) text = std::move(*last);
  }
  text = std::string(python::strip(text));
  if (text.find("rac") != std::string::npos && text.find("\\frac") == std::string::npos) {
    text = replace(text, "rac", "\\frac");
  }
  text = bare_fraction.substitute(text, "frac\\{$2\\}\\{$3\\}");
  text = bare_root.substitute(text, "sqrt\\{$2\\}");
  text = replace(text, "$", "");
  if (const std::string digits = replace(text, ",", ""); python::is_digit(digits)) text = digits;
  return text;
}

std::string without_trailing_dots(std::string text) {
  text.erase(text.find_last_not_of('.') + 1);
  return text;
}

// A trailing \text{...} is a unit, unless it is the whole answer.
std::string without_trailing_text(const std::string& text) {
  static const Regex unit("\\\\text\\{.*?\\}$");
  const std::string rest(python::strip(unit.substitute(text, "")));
  return rest.empty() ? text : rest;
}

std::string with_infinity_spelled_out(std::string text) {
  text = replace(text, "infinity", "\\infty");
  if (text.find("\\infty") == std::string::npos) text = replace(text, "inf", "\\infty");
  return replace(text, "+\\inity", "\\infty");
}

// `_strip_string_v2`; nothing where it raises.
std::optional<std::string> stripped(std::string_view answer) {
  static const Regex mbox("\\\\mbox\\{.*?\\}"), root("\\\\sqrt(\\w+)");
  static const Regex zeros_inside("(\\d+)\\.0+([^\\d])"), zeros_at_end("(\\d+)\\.0+$");
  std::string text = replace(python::strip(answer), "\n", "");
  text = without_trailing_dots(std::move(text));
  for (const auto& [from, to] :
       std::initializer_list<std::pair<const char*, const char*>>{{"\\!", ""},
                                                                  {"\\ ", ""},
                                                                  {"\\\\", "\\"},
                                                                  {"\\\\", "\\"},
                                                                  {"tfrac", "frac"},
                                                                  {"dfrac", "frac"},
                                                                  {"\\left", ""},
                                                                  {"\\right", ""}}) {
    text = replace(text, from, to);
  }
  text = without_trailing_text(text);
  for (const auto& [from, to] :
       std::initializer_list<std::pair<const char*, const char*>>{{"^{\\circ}", ""},
                                                                  {"^\\circ", ""},
                                                                  {"\\$", ""},
                                                                  {"$", ""},
                                                                  {"\\text", ""},
                                                                  {"x\\in", ""},
                                                                  {"\\%", ""},
                                                                  {"%", ""},
                                                                  {" .", " 0."},
                                                                  {"{.", "{0."},
                                                                  {"\\cdot", ""}}) {
    text = replace(text, from, to);
  }
  text = with_infinity_spelled_out(std::move(text));
  text = replace(text, "and", "");
  text = replace(text, "\\mathbf", "");
  text = mbox.substitute(text, "");
  if (text.find('j') != std::string::npos && text.find('i') == std::string::npos) {
    text = replace(text, "j", "i");
  }
  text = zeros_inside.substitute(text, "$1$2");
  text = zeros_at_end.substitute(text, "$1");
  if (text.empty()) return text;
  if (text[0] == '.') text = "0" + text;
  text = without_short_left_side(text);
  text = root.substitute(text, "\\\\sqrt\\{$1\\}");
  text = replace(text, " ", "");
  const auto braced = with_braced_fractions(text, EmptyFraction::kKeeps);
  return with_latex_slash(*braced, SlashRule::kRaisesOnOther);
}

}  // namespace

std::string cnmo_answer(std::string_view response) {
  static const Regex double_brace("^\\{(.*)\\}$");
  static const Regex says_answer("final answer|answer is");
  if (const auto boxed = last_boxed(response)) {
    auto content = boxed_content(*boxed);
    if (content) {
      if (const auto match = double_brace.search(*content)) content = (*match)[1];
    }
    if (content && !content->empty()) return *content;
  }
  const auto sentences = python::split(response, ".");
  for (const std::string& sentence : sentences) {
    if (says_answer.search(python::lower(sentence))) return normalized_final_answer(sentence);
  }
  return normalized_final_answer(sentences[0]);
}

bool cnmo_equivalent(std::string_view answer, std::string_view key) {
  const auto left = stripped(answer), right = left ? stripped(key) : std::nullopt;
  if (left && right) {
    if (*left == *right) return true;
    if (normalized_final_answer(*left) == normalized_final_answer(*right)) return true;
  }
  return normalized_final_answer(answer) == normalized_final_answer(key) || answer == key;
}

}  // namespace fathom::eval
