#include "eval/scorers/likelihood.h"

#include <cmath>
#include <limits>
#include <numbers>

#include "eval/python_regex.h"

namespace fathom::eval {
namespace {

// len(re.split(r"\s+", text))
size_t word_count(const std::string& text) {
  static const python::Regex space("\\s+");
  return space.find_all(text).size() + 1;
}

double ratio(double sum, double count) {
  return count == 0 ? std::numeric_limits<double>::quiet_NaN() : sum / count;
}

}  // namespace

double pass_at_k(int64_t n, int64_t c, int64_t k) {
  if (n - c < k) return 1.0;
  double all_fail = 1.0;
  for (int64_t i = n - c + 1; i <= n; ++i) {
    all_fail *= 1.0 - static_cast<double>(k) / static_cast<double>(i);
  }
  return 1.0 - all_fail;
}

LikelihoodScores likelihood_scores(const std::vector<ScoredDocument>& documents) {
  double sum = 0, bytes = 0, words = 0, tokens = 0;
  for (const ScoredDocument& document : documents) {
    for (const double logprob : document.logprobs) sum += logprob;
    bytes += static_cast<double>(document.text.size());
    words += static_cast<double>(word_count(document.text));
    tokens += static_cast<double>(document.logprobs.size());
  }
  LikelihoodScores scores;
  scores.bits_per_byte = -ratio(sum, bytes) / std::numbers::ln2;
  scores.byte_perplexity = std::exp(-ratio(sum, bytes));
  scores.word_perplexity = std::exp(-ratio(sum, words));
  scores.token_perplexity = std::exp(-ratio(sum, tokens));
  scores.perplexity_of_documents = std::exp(-ratio(sum, static_cast<double>(documents.size())));
  return scores;
}

}  // namespace fathom::eval
