// Rotary frequencies and the softmax scale, with and without YaRN.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace fathom {

struct YarnParams {
  double factor;
  double beta_fast;
  double beta_slow;
  double mscale;
  double mscale_all_dim;
  double original_max_positions;
};

/// The frequencies theta^(-2i/dim), i < dim / 2; under YaRN blended with f / factor between the
/// dimensions that turn beta_fast and beta_slow times within the original context (arXiv
/// 2309.00071, section 3.2, as the published modeling_deepseek.py computes it).
std::vector<double> rope_frequencies(int64_t dim, double theta,
                                     const std::optional<YarnParams>& yarn);

/// What cos and sin are multiplied by: m(mscale) / m(mscale_all_dim), 1 in every published model.
double rope_magnitude(const std::optional<YarnParams>& yarn);

/// qk_head_dim^-0.5 * m(mscale_all_dim)^2 with m(s) = 0.1 s ln(factor) + 1.
double attention_softmax_scale(int64_t qk_head_dim, const std::optional<YarnParams>& yarn);

}  // namespace fathom
