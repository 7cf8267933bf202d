// Scores that are counts and logarithms: pass@k, perplexity, bits per byte.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fathom::eval {

/// The unbiased estimate of pass@k from n samples of which c pass: 1 - C(n-c, k) / C(n, k). Source:
/// openai/human-eval `estimate_pass_at_k`.
double pass_at_k(int64_t n, int64_t c, int64_t k);

/// One text and what a model makes of it.
struct ScoredDocument {
  std::string text;
  std::vector<double> logprobs;  ///< natural logarithms, one for each token that was predicted
};

/// Over all documents together, as EleutherAI/lm-evaluation-harness has it. A ratio without a
/// denominator is NaN.
struct LikelihoodScores {
  double bits_per_byte = 0;
  double byte_perplexity = 0;
  double word_perplexity = 0;  ///< words are the pieces of a split on white space, empty ones too
  double token_perplexity = 0;
  double perplexity_of_documents = 0;  ///< exp of minus the mean log-likelihood of a document
};
LikelihoodScores likelihood_scores(const std::vector<ScoredDocument>& documents);

}  // namespace fathom::eval
