// When two mathematical answers count as the same text: MATH, AIME and CNMO, each by the published
// scorer. Nothing here knows mathematics: 6/8 is not 3/4.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace fathom::eval {

/// The last \boxed{...} (failing that \fbox{...}) of a text, braces matched; nothing where there is
/// none or it isn't closed. Source: hendrycks/math, `last_boxed_only_string`.
std::optional<std::string> last_boxed(std::string_view text);

/// The inside of exactly "\boxed{...}"; nothing for any other text, \fbox{...} included.
std::optional<std::string> boxed_content(std::string_view boxed);

/// What hendrycks/math's `is_equiv` compares; nothing where its normalising raises.
std::optional<std::string> normalized_math(std::string_view answer);

/// hendrycks/math, `is_equiv`. Where normalising either side raises, plain equality decides.
bool math_equivalent(std::string_view a, std::string_view b);

/// What AIME's scorer compares with the key: the last box, else what lies between the first and the
/// last dollar sign, else the whole response. Source: EleutherAI/lm-evaluation-harness, task
/// `aime`.
std::string aime_answer(std::string_view response);

/// The same task's `is_equiv`: hendrycks/math's, but an "a/b" that is no fraction of integers
/// raises.
bool aime_equivalent(std::string_view answer, std::string_view key);

/// OpenCompass's `math_postprocess_v2`: the last box, else the sentence that says "final answer" or
/// "answer is", else the text up to the first full stop.
std::string cnmo_answer(std::string_view response);

/// OpenCompass's `is_equiv`, version v2.
bool cnmo_equivalent(std::string_view answer, std::string_view key);

}  // namespace fathom::eval
