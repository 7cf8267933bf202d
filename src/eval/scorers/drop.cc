#include "eval/scorers/drop.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "eval/python_regex.h"
#include "eval/python_text.h"
#include "eval/scorers/assignment.h"

namespace fathom::eval {
namespace {

using Bag = std::set<std::string>;

constexpr std::string_view kPunctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

std::string without_punctuation(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (kPunctuation.find(c) == std::string_view::npos) out += c;
  }
  return out;
}

std::string without_articles(std::string_view text) {
  static const python::Regex articles("\\b(a|an|the)\\b");
  return articles.substitute(text, " ");
}

std::string normalized_token(std::string_view token) {
  std::string text = python::lower(token);
  if (!python::to_float(text)) text = without_punctuation(text);
  if (const auto number = python::to_float(text)) text = python::float_text(*number);
  return python::join(python::split(without_articles(text)), " ");
}

// Split on a space or "-", each token normalised, empty ones dropped.
std::string normalized(std::string_view answer) {
  std::vector<std::string> parts;
  for (const std::string& token : python::split(python::replace(answer, "-", " "), " ")) {
    if (std::string part = normalized_token(token); !part.empty()) parts.push_back(std::move(part));
  }
  return python::join(parts, " ");
}

struct Answer {
  std::set<std::string> spans;
  size_t span_count = 0;
  std::vector<Bag> bags;

  explicit Answer(const std::vector<std::string>& raw) : span_count(raw.size()) {
    for (const std::string& span : raw) {
      const std::string text = normalized(span);
      const std::vector<std::string> words = python::split(text);
      spans.insert(text);
      bags.emplace_back(words.begin(), words.end());
    }
  }
};

size_t shared(const Bag& a, const Bag& b) {
  return static_cast<size_t>(
      std::count_if(a.begin(), a.end(), [&](const std::string& word) { return b.contains(word); }));
}

// A gold bag that holds numbers scores only with one of them.
bool numbers_agree(const Bag& gold, const Bag& predicted) {
  bool has_number = false;
  for (const std::string& word : gold) {
    if (!python::to_float(word)) continue;
    if (predicted.contains(word)) return true;
    has_number = true;
  }
  return !has_number;
}

// From 0 to `scale`.
double bag_f1(const Bag& predicted, const Bag& gold, double scale) {
  const double common = static_cast<double>(shared(gold, predicted));
  const double precision = predicted.empty() ? 1.0 : common / static_cast<double>(predicted.size());
  const double recall = gold.empty() ? 1.0 : common / static_cast<double>(gold.size());
  if (precision == 0.0 && recall == 0.0) return 0.0;
  return (2 * precision * recall) / (precision + recall) * scale;
}

DropScore score(const std::vector<std::string>& predicted, const std::vector<std::string>& gold,
                double scale) {
  const Answer ours(predicted), theirs(gold);
  DropScore result;
  result.em = ours.spans == theirs.spans && ours.span_count == theirs.span_count ? 1.0 : 0.0;
  const size_t rows = theirs.bags.size(), columns = ours.bags.size();
  if (rows == 0 || columns == 0) return result;
  std::vector<double> f1(rows * columns, 0.0);
  for (size_t row = 0; row < rows; ++row) {
    for (size_t column = 0; column < columns; ++column) {
      if (numbers_agree(theirs.bags[row], ours.bags[column])) {
        f1[row * columns + column] = bag_f1(ours.bags[column], theirs.bags[row], scale);
      }
    }
  }
  double sum = 0;
  for (const double part : best_assignment(f1, rows, columns)) sum += part;
  const double mean = sum / static_cast<double>(std::max(rows, columns));
  result.f1 = std::rint(mean * 100) / 100;  // as NumPy rounds to 2 decimals
  return result;
}

// The other normalisation of simple-evals: the text as a whole, numbers untouched.
std::string normalized_whole(std::string_view text) {
  return python::join(python::split(without_articles(without_punctuation(python::lower(text)))),
                      " ");
}

}  // namespace

DropScore drop_span_score(const std::vector<std::string>& predicted,
                          const std::vector<std::string>& gold) {
  return score(predicted, gold, 100);
}

DropScore drop_official_score(const std::vector<std::string>& predicted,
                              const std::vector<std::string>& gold) {
  return score(predicted, gold, 1);
}

std::optional<DropScore> drop_score(std::string_view predicted,
                                    const std::vector<std::string>& references) {
  std::optional<DropScore> best;
  for (const std::string& reference : references) {
    if (python::strip(reference).empty()) continue;
    const DropScore one = drop_span_score({std::string(predicted)}, {reference});
    if (!best) best.emplace();
    best->em = std::max(best->em, one.em);
    best->f1 = std::max(best->f1, one.f1);
  }
  return best;
}

std::string drop_answer(std::string_view response) {
  static const python::Regex line("(?i)Answer\\s*:\\s*([^\\n]+)");
  const auto match = line.search(response);
  return match ? (*match)[1].value() : std::string(response);
}

bool drop_fuzzy_match(std::string_view predicted, std::string_view reference) {
  const std::string a = normalized_whole(predicted), b = normalized_whole(reference);
  if (a.empty() || b.empty()) return a == b;
  return a.find(b) != std::string::npos || b.find(a) != std::string::npos;
}

}  // namespace fathom::eval
