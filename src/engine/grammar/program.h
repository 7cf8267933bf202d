// A grammar in the form that the machine runs: nodes that refer to each other by number.
#pragma once

#include <bitset>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "engine/grammar/number_range.h"
#include "engine/grammar/pattern.h"

namespace fathom::engine {

using NodeId = int32_t;
constexpr NodeId kNoNode = -1;

/// Levels of objects and arrays in each other.
constexpr int kMaxDepth = 64;

/// Parts one after the other: text, a special token, or a node.
struct SequenceNode {
  struct Part {
    std::string text = {};  // when not empty
    int32_t symbol = -1;    // else a special token's id, when there is one
    NodeId node = kNoNode;  // else
  };
  std::vector<Part> parts;
};

/// One of several texts, none of them empty; sorted by finish(), and then each once.
struct ListedNode {
  std::vector<std::string> texts;
};

/// One of several.
struct EitherNode {
  std::vector<NodeId> choices;
};

/// Any ordinary tokens, valid UTF-8 or not; the end, or `then`, which begins with a special token,
/// may come at any time. The root only.
struct FreeTextNode {
  NodeId then = kNoNode;
};

struct ObjectNode {
  struct Property {
    std::string key;  // as JSON, quotes and all
    NodeId value = kNoNode;
    bool required = false;
  };
  std::vector<Property> properties;  // in the order in which they come
  NodeId additional = kNoNode;       // value of other properties, which come last
  NodeId additional_key = kNoNode;   // a StringNode
  // By finish(): the properties' places, in the order of their keys; and for each property, and
  // behind the last, the first required one from there on.
  std::vector<int32_t> by_key;
  std::vector<int32_t> next_required;
};

struct ArrayNode {
  std::vector<NodeId> prefix;
  NodeId items = kNoNode;  // after the prefix
  int64_t min = 0;
  int64_t max = -1;  // -1: any
};

/// Strings that are not among a list, followed byte by byte. State 0 is the start; -1 means that
/// the string is none of them whatever follows.
class Excluded {
 public:
  void add(const std::string& text);
  int32_t next(int32_t state, uint8_t byte) const;
  bool is_listed(int32_t state) const { return state >= 0 && states_[state].listed; }

 private:
  struct State {
    std::map<uint8_t, int32_t> next;
    bool listed = false;
  };
  std::vector<State> states_ = std::vector<State>(1);
};

struct StringNode {
  int64_t min = 0;  // code points
  int64_t max = -1;
  std::shared_ptr<const Pattern> pattern;    // null: any characters
  std::shared_ptr<const Excluded> excluded;  // null: nothing is; else there are no escapes
};

struct NumberNode {
  NumberRange range;
};

using Node = std::variant<SequenceNode, ListedNode, EitherNode, FreeTextNode, ObjectNode, ArrayNode,
                          StringNode, NumberNode>;

struct Program {
  std::vector<Node> nodes;
  NodeId root = kNoNode;
  // By node, by finish(): the levels that its smallest value has, and the bytes that a value may
  // begin with, others being none.
  std::vector<int32_t> heights;
  std::vector<std::bitset<256>> first_bytes;

  NodeId add(Node node) {
    nodes.push_back(std::move(node));
    return static_cast<NodeId>(nodes.size() - 1);
  }
  NodeId add_text(std::string text);
  NodeId add_either(std::vector<NodeId> choices) { return add(EitherNode{std::move(choices)}); }
  /// Any JSON value; made once.
  NodeId any_value();
  NodeId any_object();

  /// Derives heights and the rest once all nodes are there. Throws Error(kUnsupported) when the
  /// root has no finite value within kMaxDepth levels, when a node is itself before anything else,
  /// or has more alternatives than the machine can follow; `where` begins the message.
  void finish(const std::string& where);

 private:
  void find_heights();
  void find_first_bytes();
  void flatten(const std::string& where);

  NodeId any_value_ = kNoNode;
  NodeId any_object_ = kNoNode;
};

}  // namespace fathom::engine
