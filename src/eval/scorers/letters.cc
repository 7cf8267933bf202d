#include "eval/scorers/letters.h"

#include <fmt/format.h>

#include <cstdlib>
#include <utility>

#include "eval/python_regex.h"
#include "eval/python_text.h"
#include "text/utf8.h"

namespace fathom::eval {
namespace {

using python::Regex;

// The letters that count as A to D after "Answer:", and what each becomes.
constexpr std::string_view kMmluLetter = "[ \\t]*([A-D]|[أ-د]|[অ]|[ব]|[ড]|[ঢ]|[Ａ]|[Ｂ]|[Ｃ]|[Ｄ])";

// "Answer" in the languages of the translated MMLU, in the order in which they are tried. The
// second ends in six zero-width spaces.
constexpr std::string_view kMmluAnswerWords[] = {
    "Answer\\s*:",
    "Answer\\s*:\u200b\u200b\u200b\u200b\u200b\u200b",
    "উত্তর\\s*:",
    "उत्तर\\s*:",
    "উত্তরঃ",
    "উত্তর\\s*:",
    "Antwort\\s*:",
    "답변\\s*:",
    "정답\\s*:",
    "답\\s*:",
    "答案\\s*：",
    "答案\\s*:",
    "答\\s*：",
    "答\\s*:",
    "答复\\s*：",
    "答曰\\s*：",
    "الإجابة:",
    "الجواب:",
    "إجابة:",
    "الإجابة النهائية:",
    "الإجابة الصحيحة:",
    "الإجابة الصحيحة هي:",
    "الإجابة هي:",
    "الجواب النهائي:",
    "Respuesta\\s*:",
    "Risposta\\s*:",
    "答え\\s*:",
    "答え\\s*：",
    "回答\\s*:",
    "回答\\s*：",
    "解答\\s*:",
    "Jawaban\\s*:",
    "Réponse\\s*:",
    "Resposta\\s*:",
    "Jibu\\s*:",
    "Idahun\\s*:",
    "Ìdáhùn\\s*:",
    "Idáhùn\\s*:",
    "A\u0300m\u1ecd\u0300na\u0300\\s*:",
    "Àdáhùn\\s*:",
    "A\u0300nu\u0301go\u0323\\s*:",
    "À\u1e63àyàn\\s*:",
};

std::vector<Regex> mmlu_patterns() {
  std::vector<Regex> patterns;
  for (const std::string_view word : kMmluAnswerWords) {
    patterns.emplace_back("(?i)" + std::string(word) + std::string(kMmluLetter));
  }
  return patterns;
}

// Markdown and LaTeX that would stand between "Answer:" and the letter, in the published order.
std::string without_markup(std::string_view response) {
  std::string text(response);
  for (const std::string_view mark : {"**", "$\\boxed{", "}$", "\\$", "$\\text{", "$", "\\mathrm{",
                                      "\\{", "\\text", "\\(", "\\mathbf{", "{", "\\boxed"}) {
    text = python::replace(text, mark, "");
  }
  return text;
}

std::string latin_letter(std::string text) {
  constexpr std::pair<std::string_view, std::string_view> kLetters[] = {
      {"أ", " A"}, {"ب", " B"}, {"ج", " C"},  {"د", " D"},  {"অ", " A"},  {"ব", " B"},
      {"ড", " C"}, {"ঢ", " D"}, {"Ａ", " A"}, {"Ｂ", " B"}, {"Ｃ", " C"}, {"Ｄ", " D"}};
  for (const auto& [from, to] : kLetters) text = python::replace(text, from, to);
  return std::string(python::strip(text));
}

// The patterns of `first_option_postprocess` as they run: OPT stands for the options. A comma
// missing upstream fuses two of them into the one that begins 故选?.
constexpr std::string_view kFirstOption[] = {
    "答案是?\\s*(OPT)",
    "答案是?\\s*：\\s*(OPT)",
    "答案是?\\s*:\\s*(OPT)",
    "答案选项应?该?是\\s*(OPT)",
    "答案选项应?该?为\\s*(OPT)",
    "答案应该?是\\s*(OPT)",
    "答案应该?选\\s*(OPT)",
    "答案选项为?\\s*：\\s*(OPT)",
    "答案选项为?\\s+\\(?\\*?\\*?(OPT)\\*?\\*?\\)?",
    "答案选项是?\\s*:\\s*(OPT)",
    "答案为\\s*(OPT)",
    "答案选\\s*(OPT)",
    "选择?\\s*(OPT)",
    "故选?\\s*(OPT)只有选?项?\\s?(OPT)\\s?是?对",
    "只有选?项?\\s?(OPT)\\s?是?错",
    "只有选?项?\\s?(OPT)\\s?不?正确",
    "只有选?项?\\s?(OPT)\\s?错误",
    "说法不?对选?项?的?是\\s?(OPT)",
    "说法不?正确选?项?的?是\\s?(OPT)",
    "说法错误选?项?的?是\\s?(OPT)",
    "(OPT)\\s?是正确的",
    "(OPT)\\s?是正确答案",
    "选项\\s?(OPT)\\s?正确",
    "所以答\\s?(OPT)",
    "所以\\s?(OPT[.。\\$]?$)",
    "所有\\s?(OPT[.。\\$]?$)",
    "[\\s，：:,](OPT)[。，,.]?$",
    "[\\s，,：:][故即](OPT)[。.]?$",
    "[\\s，,：:]因此(OPT)[。.]?$",
    "[是为。]\\s?(OPT)[。.]?$",
    "因此\\s?(OPT)[。.]?$",
    "显然\\s?(OPT)[。.]?$",
    "答案是\\s?(\\S+)(?:。|$)",
    "答案应该是\\s?(\\S+)(?:。|$)",
    "答案为\\s?(\\S+)(?:。|$)",
    "(?i)ANSWER\\s*:\\s*(OPT)",
    "[Tt]he answer is:?\\s+\\(?(OPT)\\)?",
    "[Tt]he answer is:?\\s+\\(?\\*?\\*?(OPT)\\*?\\*?\\)?",
    "[Tt]he answer is option:?\\s+\\(?(OPT)\\)?",
    "[Tt]he correct answer is:?\\s+\\(?(OPT)\\)?",
    "[Tt]he correct answer is option:?\\s+\\(?(OPT)\\)?",
    "[Tt]he correct answer is:?.*?boxed\\{(OPT)\\}",
    "[Tt]he correct option is:?.*?boxed\\{(OPT)\\}",
    "[Tt]he correct answer option is:?.*?boxed\\{(OPT)\\}",
    "[Tt]he answer to the question is:?\\s+\\(?(OPT)\\)?",
    "^选项\\s?(OPT)",
    "^(OPT)\\s?选?项",
    "(\\s|^)OPT[\\s。，,：:.\\$]",
    "1.\\s?(.*?)$",
    "1.\\s?(OPT)[.。\\$]?$",
    "(OPT):",
    "(OPT)",
};

std::vector<Regex> first_option_patterns() {
  std::vector<Regex> patterns;
  for (const std::string_view pattern : kFirstOption) {
    patterns.emplace_back("(?s)" + python::replace(pattern, "OPT", "[ABCD]"));
  }
  return patterns;
}

Letter group_one(const std::optional<Regex::Groups>& match) {
  return match ? (*match)[1] : std::nullopt;
}

// Python's round(100 * part / whole, 1): correctly rounded from the exact binary value, as printf
// is.
std::optional<double> per_cent(int part, int whole) {
  if (whole == 0) return std::nullopt;
  return std::strtod(fmt::format("{:.1f}", 100.0 * part / whole).c_str(), nullptr);
}

}  // namespace

Letter mmlu_letter(std::string_view response) {
  static const std::vector<Regex> patterns = mmlu_patterns();
  const std::string text = without_markup(response);
  for (const Regex& pattern : patterns) {
    if (const auto match = pattern.search(text)) return latin_letter((*match)[1].value());
  }
  return std::nullopt;
}

Letter gpqa_letter(std::string_view response) {
  static const Regex pattern("(?i)Answer[ \\t]*:[ \\t]*\\$?([A-D])\\$?");
  return group_one(pattern.search(response));
}

Letter mmlu_pro_letter(std::string_view response, bool bold_kept) {
  static const Regex answer_is("answer is \\(?([A-J])\\)?");
  static const Regex answer_colon(".*[aA]nswer:\\s*([A-J])");
  static const Regex stand_alone("\\b[A-J]\\b");
  const std::string text = bold_kept ? std::string(response) : python::replace(response, "**", "");
  if (Letter letter = group_one(answer_is.search(text))) return letter;
  if (Letter letter = group_one(answer_colon.search(text))) return letter;
  const auto all = stand_alone.find_all(text);
  return all.empty() ? std::nullopt : all.back()[0];
}

Letter ceval_letter(std::string_view response) {
  static const std::vector<Regex> patterns = first_option_patterns();
  const std::string_view text = python::strip(response);
  for (const Regex& pattern : patterns) {
    const auto match = pattern.search(text);
    if (!match) continue;
    const Letter& group = (*match)[1];
    const std::string& found = group && !group->empty() ? *group : (*match)[0].value();
    // Of the options in what was found the first in the alphabet; none, and the next pattern is
    // tried.
    for (const char option : {'A', 'B', 'C', 'D'}) {
      if (found.find(option) != std::string::npos) return std::string(1, option);
    }
  }
  return std::nullopt;
}

Letter cluewsc_letter(std::string_view response) {
  for (size_t at = 0; at < response.size();) {
    const text::CodePoint c = text::decode_utf8(response.data() + at);
    if (python::is_upper(c.value)) return std::string(response.substr(at, c.size));
    at += c.size;
  }
  return std::nullopt;
}

Letter longbench_v2_letter(std::string_view response) {
  static const Regex bracketed("The correct answer is \\(([A-D])\\)");
  static const Regex bare("The correct answer is ([A-D])");
  const std::string text = python::replace(response, "*", "");
  if (Letter letter = group_one(bracketed.search(text))) return letter;
  return group_one(bare.search(text));
}

LongBenchScores longbench_v2_scores(const std::vector<LongBenchAnswer>& answers) {
  struct Count {
    int right = 0, all = 0;
    std::optional<double> share() const { return per_cent(right, all); }
  };
  Count overall, easy, hard, short_texts, medium_texts, long_texts;
  for (const LongBenchAnswer& answer : answers) {
    Count& by_difficulty = answer.difficulty == "easy" ? easy : hard;
    Count& by_length = answer.length == "short"    ? short_texts
                       : answer.length == "medium" ? medium_texts
                                                   : long_texts;
    for (Count* count : {&overall, &by_difficulty, &by_length}) {
      count->right += answer.letter == answer.reference;
      ++count->all;
    }
  }
  return {overall.share(),     easy.share(),         hard.share(),
          short_texts.share(), medium_texts.share(), long_texts.share()};
}

}  // namespace fathom::eval
