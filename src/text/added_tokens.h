// Added tokens: strings that are cut out of a text before it is split into words.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fathom::text {

struct AddedToken {
  int32_t id = 0;
  std::string content;
  bool special = false;      ///< dropped by a decode that skips special tokens
  bool single_word = false;  ///< only between non-word characters
  bool lstrip = false;       ///< takes the white space before it
  bool rstrip = false;       ///< takes the white space after it
  bool normalized = false;   ///< looked for in the second round, in what the first left over
};

/// Finds a fixed set of strings, the longest at the leftmost place. Immutable, safe to share.
class AddedTokenMatcher {
 public:
  /// A piece of text: a token, or (id -1) what lies between.
  struct Piece {
    size_t begin, end;
    int32_t id;
  };

  AddedTokenMatcher() : starts_(256, false) {}
  explicit AddedTokenMatcher(std::vector<AddedToken> tokens);

  /// Appends the pieces of text[begin, end), in order and without empty ones. Time linear in the
  /// text for a given set of tokens.
  void split(std::string_view text, size_t begin, size_t end, std::vector<Piece>& pieces) const;

 private:
  struct Node {
    int32_t token = -1;  // index in tokens_
    std::vector<std::pair<char, uint32_t>> children;
  };

  const AddedToken* longest_at(std::string_view text, size_t& length) const;

  std::vector<AddedToken> tokens_;
  std::vector<Node> trie_{Node{}};
  std::vector<bool> starts_;  // by first byte
};

}  // namespace fathom::text
