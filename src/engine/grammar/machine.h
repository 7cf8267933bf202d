// Runs a grammar byte by byte: stacks of frames, many at a time where the grammar is ambiguous.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/grammar/pattern_states.h"
#include "engine/grammar/program.h"

namespace fathom::engine {

/// Where a node stands. What the fields mean depends on the node's kind (machine.cc).
struct Frame {
  int64_t value = 0;
  int32_t node = kNoNode;
  int32_t position = 0;
  int32_t count = 0;
  uint32_t point = 0;
  uint8_t phase = 0;
  uint8_t blanks = 0;
  uint8_t left = 0;
  uint8_t level = 0;  // 1: an object or array, which is a level of nesting

  bool operator==(const Frame&) const = default;
};

using StackId = int32_t;
/// The stack without frames: all is done.
constexpr StackId kFinished = 0;

/// Stacks as a tree from the bottom up, each once, so that equal stacks have equal ids.
class StackPool {
 public:
  StackPool();
  StackId push(StackId below, const Frame& frame);
  const Frame& top(StackId stack) const { return nodes_[stack].frame; }
  StackId below(StackId stack) const { return nodes_[stack].below; }
  /// Levels of objects and arrays in it.
  int32_t depth(StackId stack) const { return nodes_[stack].depth; }
  size_t size() const { return nodes_.size(); }

 private:
  struct Entry {
    Frame frame;
    StackId below = kFinished;
    int32_t depth = 0;
    bool operator==(const Entry& other) const {
      return frame == other.frame && below == other.below;
    }
  };
  struct Hash {
    size_t operator()(const Entry& entry) const;
  };
  std::vector<Entry> nodes_;
  std::unordered_map<Entry, StackId, Hash> ids_;
};

/// Stacks that a text so far may have led to, each once, in an order that depends on the text
/// alone. At most kMaxStacks are kept: what a wildly ambiguous grammar has beyond is given up,
/// which narrows the language but leaves no dead end.
using Stacks = std::vector<StackId>;
constexpr size_t kMaxStacks = 512;

class Machine {
 public:
  Machine(const Program& program, StackPool& pool) : program_(program), pool_(pool) {}

  StackId start();
  /// What the stacks become by the byte: nothing, if none can take it.
  Stacks step(const Stacks& stacks, uint8_t byte);
  /// Appends each special token that the stack can take, with what it becomes by it.
  void symbols(StackId stack, std::vector<std::pair<int32_t, StackId>>& out);
  /// Nothing more is needed.
  bool may_finish(StackId stack) const;

  /// A stack that allows the same bytes for the next `reach` of them, and is the same for as many
  /// stacks as can be: counters of characters that cannot come to matter are set back.
  StackId representative(StackId stack, int64_t reach);

  /// What a step from the stack may cost, and what it cost to come there: about in stacks made.
  int64_t step_cost(StackId stack);
  int64_t making_cost(StackId stack);

  /// A frame of `other`, a machine of the same program, in this one.
  Frame adopt(Machine& other, Frame frame);
  /// What the states of patterns take, in numbers.
  size_t pattern_size() const;

 private:
  template <typename T>
  const T& node(const Frame& frame) const {
    return std::get<T>(program_.nodes[frame.node]);
  }
  void step(StackId stack, uint8_t byte, Stacks& out);
  void emit(StackId stack, Stacks& out);
  int64_t beginning_cost(NodeId id) const;
  bool fits(NodeId id, int32_t depth) const;
  void begin(NodeId id, StackId below, uint8_t byte, Stacks& out);
  void symbols_at(NodeId id, StackId below, std::vector<std::pair<int32_t, StackId>>& out);
  StackId after_part(Frame frame, StackId below);

  void step_sequence(const Frame& frame, StackId below, uint8_t byte, Stacks& out);
  void step_listed(Frame frame, StackId below, uint8_t byte, Stacks& out);
  void step_object(const Frame& frame, StackId below, uint8_t byte, Stacks& out);
  void begin_key(const Frame& frame, StackId below, Stacks& out);
  void step_key(const Frame& frame, StackId below, uint8_t byte, Stacks& out);
  bool any_may_come(const ObjectNode& node, std::span<const int32_t> properties, int32_t position,
                    int32_t depth) const;
  bool has_next(const ObjectNode& node, int32_t position, int32_t depth) const;
  void step_array(const Frame& frame, StackId below, uint8_t byte, Stacks& out);
  bool has_element(const ArrayNode& node, int32_t index, int32_t depth) const;

  PatternStates& states_of(const Frame& frame);
  bool narrow_point(Frame& frame);
  void step_string(const Frame& frame, StackId below, uint8_t byte, Stacks& out);
  void plain_byte(Frame frame, StackId below, uint8_t byte, Stacks& out);
  void lead_byte(Frame frame, StackId below, uint8_t byte, Stacks& out);
  void later_byte(Frame frame, StackId below, uint8_t byte, Stacks& out);
  void escaped(const Frame& frame, StackId below, uint8_t byte, Stacks& out);
  void hexadecimal(Frame frame, StackId below, uint8_t byte, Stacks& out);
  void take_point(Frame frame, StackId below, uint32_t point, Stacks& out);
  void finish_point(Frame frame, StackId below, Stacks& out);

  void step_number(Frame frame, StackId below, uint8_t byte, Stacks& out);
  void number_digit(Frame frame, StackId below, uint8_t digit, Stacks& out);
  void number_point(Frame frame, StackId below, Stacks& out);
  bool number_may_end(const Frame& frame) const;

  const Program& program_;
  StackPool& pool_;
  std::unordered_map<NodeId, PatternStates> patterns_;  // by StringNode
  std::vector<uint64_t> emitted_;                       // by stack, the last step that led to it
  uint64_t steps_ = 0;
};

}  // namespace fathom::engine
