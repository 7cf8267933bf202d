#include "eval/score_line.h"

#include <cmath>
#include <functional>
#include <map>
#include <string>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "eval/python_text.h"
#include "eval/scorers/drop.h"
#include "eval/scorers/judge.h"
#include "eval/scorers/letters.h"
#include "eval/scorers/likelihood.h"
#include "eval/scorers/math_answers.h"

namespace fathom::eval {
namespace {

using Json = nlohmann::ordered_json;

/// `got` answers `expected`; the rest are the other pinned fields.
struct Scored {
  Json got;
  Json details = Json::object();
};

template <typename T>
T field(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end()) fail(ErrorKind::kBadInput, "\"{}\" is missing", name);
  try {
    return found->get<T>();
  } catch (const Json::exception&) {
    fail(ErrorKind::kBadInput, "\"{}\" is {}: {}, not what this task takes", name,
         found->type_name(), found->dump().substr(0, 60));
  }
}

std::string prediction(const Json& line) { return field<std::string>(line, "prediction"); }
std::string reference(const Json& line) { return field<std::string>(line, "reference"); }

template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

Json number_or_null(double value) { return std::isfinite(value) ? Json(value) : Json(); }

Scored letter_result(const Json& line, const Letter& letter) {
  return {or_null(letter), {{"score", letter == reference(line) ? 1.0 : 0.0}}};
}

Scored score_mmlu_pro(const Json& line) {
  Scored scored = letter_result(line, mmlu_pro_letter(prediction(line)));
  scored.details["expected_bold_kept"] = or_null(mmlu_pro_letter(prediction(line), true));
  return scored;
}

Json drop_json(const DropScore& score) { return {{"em", score.em}, {"f1", score.f1}}; }

Scored score_drop(const Json& line) {
  const std::string kind = field<std::string>(line, "case");
  if (kind == "spans") {
    const auto predicted = field<std::vector<std::string>>(line, "prediction");
    const auto gold = field<std::vector<std::string>>(line, "reference");
    return {drop_json(drop_span_score(predicted, gold)),
            {{"expected_official", drop_json(drop_official_score(predicted, gold))}}};
  }
  const auto references = python::split(reference(line), "|");
  const std::string answer = kind == "response" ? drop_answer(prediction(line)) : prediction(line);
  const auto score = drop_score(answer, references);
  Scored scored{score ? drop_json(*score) : Json()};
  if (kind != "response") return scored;
  bool fuzzy = false;
  for (const std::string& one : references) fuzzy = fuzzy || drop_fuzzy_match(answer, one);
  scored.details = {{"extracted", answer}, {"fuzzy", fuzzy}};
  return scored;
}

Scored score_math(const Json& line) {
  const std::string kind = field<std::string>(line, "case"), text = prediction(line);
  if (kind == "equivalent") {
    const std::string other = reference(line);
    return {math_equivalent(text, other),
            {{"normalized_prediction", or_null(normalized_math(text))},
             {"normalized_reference", or_null(normalized_math(other))}}};
  }
  const auto boxed = last_boxed(text);
  const auto content = boxed ? boxed_content(*boxed) : std::nullopt;
  if (kind == "last_boxed") return {or_null(boxed), {{"content", or_null(content)}}};
  const bool right = content && math_equivalent(*content, reference(line));
  return {right ? 1.0 : 0.0, {{"extracted", or_null(content)}}};
}

Scored score_aime(const Json& line) {
  const std::string answer = aime_answer(prediction(line));
  return {aime_equivalent(answer, reference(line)) ? 1.0 : 0.0, {{"extracted", answer}}};
}

Scored score_cnmo(const Json& line) {
  const std::string answer = cnmo_answer(prediction(line));
  return {cnmo_equivalent(answer, reference(line)) ? 1.0 : 0.0, {{"extracted", answer}}};
}

Scored score_simpleqa(const Json& line) {
  if (line.contains("prediction") && line["prediction"].is_array()) {
    const auto letters = field<std::vector<std::string>>(line, "prediction");
    const SimpleQaScores scores = simpleqa_scores(python::join(letters, ""));
    return {{{"correct", scores.correct},
             {"incorrect", scores.incorrect},
             {"not_attempted", scores.not_attempted},
             {"accuracy_given_attempted", scores.accuracy_given_attempted},
             {"f1", scores.f1}}};
  }
  const char grade = simpleqa_grade(prediction(line));
  return {std::string(1, grade), {{"grade", simpleqa_grade_name(grade)}}};
}

Scored score_longbench_v2(const Json& line) {
  if (!line.contains("prediction") || !line["prediction"].is_array()) {
    return letter_result(line, longbench_v2_letter(prediction(line)));
  }
  const auto references = field<std::vector<std::string>>(line, "reference");
  const Json& predictions = line["prediction"];
  if (predictions.size() != references.size()) {
    fail(ErrorKind::kBadInput, "{} predictions, but {} references", predictions.size(),
         references.size());
  }
  std::vector<LongBenchAnswer> answers;
  for (size_t i = 0; i < references.size(); ++i) {
    const Json& one = predictions[i];
    const auto letter = one.find("pred");
    answers.push_back(
        {letter == one.end() || letter->is_null() ? Letter()
                                                  : Letter(field<std::string>(one, "pred")),
         references[i], field<std::string>(one, "difficulty"), field<std::string>(one, "length")});
  }
  const LongBenchScores scores = longbench_v2_scores(answers);
  return {{{"overall", or_null(scores.overall)},
           {"easy", or_null(scores.easy)},
           {"hard", or_null(scores.hard)},
           {"short", or_null(scores.short_texts)},
           {"medium", or_null(scores.medium_texts)},
           {"long", or_null(scores.long_texts)}}};
}

Scored score_frames(const Json& line) {
  const FramesVerdict verdict = frames_verdict(prediction(line));
  return {verdict.correct(),
          {{"decision", verdict.decision}, {"explanation", verdict.explanation}}};
}

Scored score_pass_at_k(const Json& line) {
  const auto n = field<std::vector<int64_t>>(line, "n"), c = field<std::vector<int64_t>>(line, "c");
  const auto k = field<int64_t>(line, "k");
  if (n.size() != c.size()) {
    fail(ErrorKind::kBadInput, "\"n\" has {} entries, \"c\" has {}", n.size(), c.size());
  }
  Scored scored{Json::array()};
  double sum = 0;
  for (size_t i = 0; i < n.size(); ++i) {
    const double pass = pass_at_k(n[i], c[i], k);
    scored.got.push_back(pass);
    sum += pass;
  }
  scored.details["expected_mean"] = number_or_null(sum / static_cast<double>(n.size()));
  return scored;
}

Scored score_perplexity(const Json& line) {
  const Json documents = field<Json>(line, "prediction");
  if (!documents.is_array()) fail(ErrorKind::kBadInput, "\"prediction\" is no list of documents");
  std::vector<ScoredDocument> scored;
  for (const Json& document : documents) {
    scored.push_back(
        {field<std::string>(document, "text"), field<std::vector<double>>(document, "logprobs")});
  }
  const LikelihoodScores scores = likelihood_scores(scored);
  return {{{"bits_per_byte", number_or_null(scores.bits_per_byte)},
           {"byte_perplexity", number_or_null(scores.byte_perplexity)},
           {"word_perplexity", number_or_null(scores.word_perplexity)},
           {"token_perplexity", number_or_null(scores.token_perplexity)},
           {"perplexity_of_documents", number_or_null(scores.perplexity_of_documents)}}};
}

using Scorer = std::function<Scored(const Json&)>;

Scorer letter_scorer(Letter (*read)(std::string_view)) {
  return [read](const Json& line) { return letter_result(line, read(prediction(line))); };
}

const std::map<std::string, Scorer>& scorers() {
  static const std::map<std::string, Scorer> all = {
      {"mmlu", letter_scorer(mmlu_letter)},
      {"gpqa_diamond", letter_scorer(gpqa_letter)},
      {"mmlu_pro", score_mmlu_pro},
      {"ceval", letter_scorer(ceval_letter)},
      {"cluewsc", letter_scorer(cluewsc_letter)},
      {"drop", score_drop},
      {"math", score_math},
      {"aime", score_aime},
      {"cnmo", score_cnmo},
      {"simpleqa", score_simpleqa},
      {"c_simpleqa", score_simpleqa},
      {"longbench_v2", score_longbench_v2},
      {"frames", score_frames},
      {"pass_at_k", score_pass_at_k},
      {"perplexity", score_perplexity},
  };
  return all;
}

Scored score(const Json& line) {
  const std::string task = field<std::string>(line, "task");
  const auto scorer = scorers().find(task);
  if (scorer == scorers().end()) {
    std::string known;
    for (const auto& [name, unused] : scorers()) known += (known.empty() ? "" : ", ") + name;
    fail(ErrorKind::kUnsupported, "task \"{}\" has no scorer here; known are {}", task, known);
  }
  return scorer->second(line);
}

}  // namespace

Json score_line(const Json& line) { return score(line).got; }

Json score_line_details(const Json& line) { return score(line).details; }

}  // namespace fathom::eval
