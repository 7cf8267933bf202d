#include "text/stop_strings.h"

#include <algorithm>
#include <utility>

namespace fathom::text {

StopStrings::StopStrings(const std::vector<std::string>& strings) {
  for (const std::string& text : strings) {
    uint32_t at = 0;
    for (const char byte : text) {
      const uint32_t known = child(at, byte);
      if (known != 0) {
        at = known;
        continue;
      }
      const auto added = static_cast<uint32_t>(nodes_.size());
      children_.emplace(uint64_t{at} << 8 | static_cast<unsigned char>(byte), added);
      nodes_.push_back({.parent = at, .depth = nodes_[at].depth + 1, .byte = byte});
      at = added;
    }
    nodes_[at].match = nodes_[at].depth;
  }
  link_fallbacks();
}

// Shallow nodes first: a fallback is always shallower.
void StopStrings::link_fallbacks() {
  std::vector<uint32_t> by_depth(nodes_.size());
  for (uint32_t i = 0; i < by_depth.size(); ++i) by_depth[i] = i;
  std::stable_sort(by_depth.begin(), by_depth.end(),
                   [this](uint32_t a, uint32_t b) { return nodes_[a].depth < nodes_[b].depth; });
  for (const uint32_t i : by_depth) {
    Node& node = nodes_[i];
    if (node.depth > 1) node.fallback = step(nodes_[node.parent].fallback, node.byte);
    if (node.match == 0) node.match = nodes_[node.fallback].match;
  }
}

uint32_t StopStrings::child(uint32_t node, char byte) const {
  const auto found = children_.find(uint64_t{node} << 8 | static_cast<unsigned char>(byte));
  return found == children_.end() ? 0 : found->second;
}

uint32_t StopStrings::step(uint32_t node, char byte) const {
  while (true) {
    const uint32_t next = child(node, byte);
    if (next != 0 || node == 0) return next;
    node = nodes_[node].fallback;
  }
}

std::string StopStrings::push(std::string_view piece) {
  if (stopped_) return {};
  if (nodes_.size() == 1) return std::string(piece);
  const size_t held_before = held_.size();
  for (size_t i = 0; i < piece.size(); ++i) {
    at_ = step(at_, piece[i]);
    const size_t match = nodes_[at_].match;
    if (match == 0) continue;
    stopped_ = true;
    std::string text = std::move(held_);
    text += piece.substr(0, i + 1);
    matched_ = text.substr(text.size() - match);
    text.resize(text.size() - match);
    held_.clear();
    return text;
  }
  const size_t keep = nodes_[at_].depth;
  if (keep == held_before + piece.size()) {  // all of it still in question: no copy of what is held
    held_ += piece;
    return {};
  }
  std::string text = std::move(held_);
  text += piece;
  held_ = text.substr(text.size() - keep);
  text.resize(text.size() - keep);
  return text;
}

std::string StopStrings::finish() {
  at_ = 0;
  return std::exchange(held_, {});
}

}  // namespace fathom::text
