// Cuts text into the words that are encoded one by one.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/regex.h"

namespace fathom::text {

/// The stages of a tokenizer.json's `pre_tokenizer`, each cutting the pieces of the one before.
/// Immutable once built.
class PreTokenizer {
 public:
  /// What becomes of a match: the names and meanings of the `tokenizers` library.
  enum class Behavior { kIsolated, kRemoved, kMergedWithPrevious, kMergedWithNext, kContiguous };

  struct Stage {
    std::optional<SplitRegex> regex;  ///< nothing: the piece stays whole
    Behavior behavior = Behavior::kIsolated;
    bool invert = false;            ///< the regex describes what lies between matches
    bool add_prefix_space = false;  ///< a piece that does not start with a space gets one first
  };

  void add(Stage stage) { stages_.push_back(std::move(stage)); }

  /// Calls on_word(std::string_view) for each word of `text` (valid UTF-8) in order. A word may
  /// live only until the call returns.
  template <typename OnWord>
  void split(std::string_view text, OnWord&& on_word) const {
    split_from(0, text, on_word);
  }

 private:
  template <typename OnWord>
  void split_from(size_t index, std::string_view piece, OnWord& on_word) const {
    if (piece.empty()) return;
    if (index == stages_.size()) return on_word(piece);
    const Stage& stage = stages_[index];
    std::string prefixed;
    if (stage.add_prefix_space && piece[0] != ' ') {
      prefixed.reserve(piece.size() + 1);
      prefixed += ' ';
      prefixed += piece;
      piece = prefixed;
    }
    if (!stage.regex) return split_from(index + 1, piece, on_word);
    if (stage.behavior != Behavior::kIsolated) {
      for (const std::string_view part : parts(stage, piece)) split_from(index + 1, part, on_word);
      return;
    }
    size_t done = 0;
    while (done < piece.size()) {
      const SplitRegex::Match match = stage.regex->find(piece, done);
      if (match.begin == SplitRegex::kNone) break;
      split_from(index + 1, piece.substr(done, match.begin - done), on_word);
      split_from(index + 1, piece.substr(match.begin, match.end - match.begin), on_word);
      done = match.end;
    }
    split_from(index + 1, piece.substr(done), on_word);
  }

  // The rarer behaviours.
  static std::vector<std::string_view> parts(const Stage& stage, std::string_view piece);

  std::vector<Stage> stages_;
};

}  // namespace fathom::text
