// What each token id spells, arranged so that an automaton can walk all of them at once.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace fathom {

/// Immutable; one for a tokenizer, shared by all grammars.
class Vocabulary {
 public:
  /// `token_bytes[id]`: the raw bytes of each id of the model; empty for special tokens and for ids
  /// without a token, which never stand for text. `end_ids`: each ends an answer.
  /// Throws Error(kUnsupported) when there is none of those, or when a byte that JSON may need is
  /// no token by itself: then a mask could lead into a dead end. Byte-level BPE has them all.
  Vocabulary(const std::vector<std::string>& token_bytes, std::vector<int32_t> end_ids);

  /// The tokens' trie in preorder. A node's subtree is what follows it, up to `end`.
  struct Node {
    uint32_t end = 0;
    int32_t id = -1;  ///< a token that ends here; -1: none
    uint16_t depth = 0;
    uint8_t byte = 0;
  };
  std::span<const Node> nodes() const { return nodes_; }
  /// Ids beyond one node's first that spell the same, as (first, other).
  std::span<const std::pair<int32_t, int32_t>> doubles() const { return doubles_; }

  int64_t size() const { return static_cast<int64_t>(bytes_.size()); }
  const std::string& bytes(int32_t id) const { return bytes_[static_cast<size_t>(id)]; }
  std::span<const int32_t> end_ids() const { return end_ids_; }
  bool ends(int32_t id) const;
  /// Bytes of the longest token.
  int64_t longest() const { return longest_; }

 private:
  std::vector<std::string> bytes_;
  std::vector<int32_t> end_ids_;
  std::vector<Node> nodes_;
  std::vector<std::pair<int32_t, int32_t>> doubles_;
  int64_t longest_ = 0;
};

}  // namespace fathom
