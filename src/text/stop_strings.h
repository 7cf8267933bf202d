// Ends streamed text at a stop string.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace fathom::text {

/// Finds the first place where one of a set of strings ends in a text that arrives in pieces,
/// however the pieces cut it. Text that may still turn out to be a stop string's beginning is held
/// back, so that no part of one is ever given out. Time linear in the text and in the strings'
/// total length, however many they are (Aho and Corasick, 1975). One text each; copy it to start
/// another.
class StopStrings {
 public:
  /// Empty strings are left out. With none at all everything passes at once.
  explicit StopStrings(const std::vector<std::string>& strings);

  /// Adds `piece` to the text and returns what may be given out now. After a stop string: nothing.
  std::string push(std::string_view piece);

  /// A stop string has been met; it and what came after are dropped.
  bool stopped() const { return stopped_; }
  /// The one that was met. Of several that end at the same place the longest.
  const std::string& matched() const { return matched_; }

  /// The end of the text: returns what was held back.
  std::string finish();

 private:
  struct Node {
    uint32_t parent = 0;
    uint32_t depth = 0;     // bytes from the root
    uint32_t fallback = 0;  // the longest proper suffix that is a node too
    uint32_t match = 0;     // length of the longest string that ends here, 0 for none
    char byte = 0;
  };

  uint32_t child(uint32_t node, char byte) const;  // 0: none
  uint32_t step(uint32_t node, char byte) const;
  void link_fallbacks();

  std::vector<Node> nodes_{1};
  std::unordered_map<uint64_t, uint32_t> children_;  // node << 8 | byte
  uint32_t at_ = 0;
  std::string held_;  // the path from the root to at_
  bool stopped_ = false;
  std::string matched_;
};

}  // namespace fathom::text
