// The steps by which the published answer normalisers rewrite LaTeX, shared between them. A result
// of nothing stands for the exception that the published code runs into.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace fathom::eval {

/// "k=5" to "5": what stands left of a lone "=" goes, if it is at most 2 characters.
std::string without_short_left_side(const std::string& text);

/// What \frac at the very end, or right before the next \frac, does.
enum class EmptyFraction {
  kRaises,  ///< hendrycks/math indexes into an empty string
  kKeeps,   ///< OpenCompass leaves the whole text as it is
};

/// \frac12 to \frac{1}{2}, \frac1{72} to \frac{1}{72}. The whole text stays as it is where a \frac
/// has fewer than 2 characters to take.
std::optional<std::string> with_braced_fractions(const std::string& text, EmptyFraction empty);

/// What becomes of "a/b" where a or b is no integer.
enum class SlashRule {
  kKeepsOther,     ///< hendrycks/math: it stays as it is
  kRaisesOnOther,  ///< those who narrowed its `except`: the ValueError escapes
};

/// "3/4" to "\frac{3}{4}", for two integers as Python would print them.
std::optional<std::string> with_latex_slash(const std::string& text, SlashRule rule);

}  // namespace fathom::eval
