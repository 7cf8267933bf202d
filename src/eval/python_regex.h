// Python's `re` on str, where a published scorer's result leans on it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fathom::eval::python {

/// A compiled pattern: leftmost match, alternatives and lazy quantifiers as a backtracking engine
/// has them. The pattern is in Python's syntax with two limits: a brace that is meant literally is
/// escaped, and flags stand in front of the whole, "(?i)", "(?s)". \s \S \w \d \b mean what they
/// mean on a Python str, `.` stops at LF alone, and `$` is the end or before a last LF.
///
/// Immutable after construction; one object may be used from several threads at once.
class Regex {
 public:
  explicit Regex(std::string_view pattern);
  ~Regex();
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;

  /// The text of each group; nothing for a group that took no part. Group 0 is the match.
  using Groups = std::vector<std::optional<std::string>>;

  /// re.search
  std::optional<Groups> search(std::string_view text) const;
  /// The groups of every match that does not overlap one before it.
  std::vector<Groups> find_all(std::string_view text) const;
  /// re.sub; `replacement` names groups as $1. A literal brace, dollar or backslash is escaped.
  std::string substitute(std::string_view text, std::string_view replacement) const;

 private:
  struct Compiled;
  std::unique_ptr<Compiled> compiled_;
};

}  // namespace fathom::eval::python
