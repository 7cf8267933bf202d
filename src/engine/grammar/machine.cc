#include "engine/grammar/machine.h"

#include <algorithm>
#include <ranges>
#include <utility>

#include "base/rng.h"
#include "engine/grammar/machine_phases.h"

namespace fathom::engine {
namespace {

constexpr int kBlanksPerLevel = 4;
constexpr uint8_t kMostBlanks = 250;

// `blanks`: 0 nothing yet, 1 a space, 2 and more a line break and that many beyond.
bool take_blank(Frame& frame, uint8_t byte, int32_t depth) {
  if (frame.blanks == 0) {
    if (byte == ' ') frame.blanks = 1;
    if (byte == '\n') frame.blanks = 2;
    return frame.blanks != 0;
  }
  const int most = std::min<int>(2 + kBlanksPerLevel * depth, kMostBlanks);
  if ((byte != ' ' && byte != '\t') || frame.blanks < 2 || frame.blanks >= most) return false;
  ++frame.blanks;
  return true;
}

/// Of the texts from `first` up to `last`, sorted and alike so far, those that go on with `byte`.
template <typename NextByte>
std::pair<int32_t, int32_t> narrow(int64_t first, int64_t last, uint8_t byte, NextByte next_byte) {
  const auto all = std::views::iota(static_cast<int32_t>(first), static_cast<int32_t>(last));
  const auto found = std::ranges::equal_range(all, byte, {}, next_byte);
  return {*found.begin(), *found.end()};
}

}  // namespace

StackPool::StackPool() { nodes_.push_back({}); }

StackId StackPool::push(StackId below, const Frame& frame) {
  const Entry entry{frame, below, nodes_[below].depth + frame.level};
  const auto [place, is_new] = ids_.try_emplace(entry, static_cast<StackId>(nodes_.size()));
  if (is_new) nodes_.push_back(entry);
  return place->second;
}

size_t StackPool::Hash::operator()(const Entry& entry) const {
  const Frame& f = entry.frame;
  const auto pair = [](uint32_t a, uint32_t b) { return uint64_t{a} << 32 | b; };
  uint64_t hash = splitmix64(static_cast<uint64_t>(f.value));
  hash = splitmix64(hash ^ pair(static_cast<uint32_t>(f.node), static_cast<uint32_t>(f.position)));
  hash = splitmix64(hash ^ pair(static_cast<uint32_t>(f.count), f.point));
  hash ^=
      pair(static_cast<uint32_t>(entry.below),
           uint32_t{f.phase} << 24 | uint32_t{f.blanks} << 16 | uint32_t{f.left} << 8 | f.level);
  return splitmix64(hash);
}

void Machine::emit(StackId stack, Stacks& out) {
  if (out.size() >= kMaxStacks) return;
  if (emitted_.size() <= static_cast<size_t>(stack)) emitted_.resize(pool_.size());
  if (std::exchange(emitted_[stack], steps_) != steps_) out.push_back(stack);
}

bool Machine::fits(NodeId id, int32_t depth) const {
  return depth + program_.heights[id] <= kMaxDepth;
}

StackId Machine::start() { return pool_.push(kFinished, {.node = program_.root}); }

bool Machine::may_finish(StackId stack) const {
  if (stack == kFinished) return true;
  const Frame& frame = pool_.top(stack);
  const Node& node = program_.nodes[frame.node];
  if (std::holds_alternative<FreeTextNode>(node)) return true;
  return std::holds_alternative<NumberNode>(node) && number_may_end(frame) &&
         may_finish(pool_.below(stack));
}

Stacks Machine::step(const Stacks& stacks, uint8_t byte) {
  ++steps_;
  Stacks out;
  for (StackId stack : stacks) step(stack, byte, out);
  return out;
}

void Machine::step(StackId stack, uint8_t byte, Stacks& out) {
  if (stack == kFinished) return;
  const Frame frame = pool_.top(stack);
  const StackId below = pool_.below(stack);
  const Node& node = program_.nodes[frame.node];
  if (std::holds_alternative<StringNode>(node)) {
    step_string(frame, below, byte, out);
  } else if (std::holds_alternative<ObjectNode>(node)) {
    step_object(frame, below, byte, out);
  } else if (std::holds_alternative<ArrayNode>(node)) {
    step_array(frame, below, byte, out);
  } else if (std::holds_alternative<NumberNode>(node)) {
    step_number(frame, below, byte, out);
  } else if (std::holds_alternative<SequenceNode>(node)) {
    step_sequence(frame, below, byte, out);
  } else if (std::holds_alternative<ListedNode>(node)) {
    step_listed(frame, below, byte, out);
  } else {
    emit(stack, out);
  }
}

// The first byte of a value.
void Machine::begin(NodeId id, StackId below, uint8_t byte, Stacks& out) {
  if (out.size() >= kMaxStacks || !program_.first_bytes[id][byte]) return;
  if (!fits(id, pool_.depth(below))) return;
  const Node& node = program_.nodes[id];
  if (const auto* either = std::get_if<EitherNode>(&node)) {
    for (NodeId choice : either->choices) begin(choice, below, byte, out);
  } else if (std::holds_alternative<SequenceNode>(node)) {
    step_sequence({.node = id}, below, byte, out);
  } else if (const auto* listed = std::get_if<ListedNode>(&node)) {
    step_listed({.value = std::ssize(listed->texts), .node = id}, below, byte, out);
  } else if (std::holds_alternative<NumberNode>(node)) {
    step_number({.node = id}, below, byte, out);
  } else if (std::holds_alternative<StringNode>(node)) {
    if (byte == '"') emit(pool_.push(below, {.node = id}), out);
  } else if (std::holds_alternative<ObjectNode>(node)) {
    if (byte == '{') emit(pool_.push(below, {.node = id, .phase = kOpen, .level = 1}), out);
  } else if (std::holds_alternative<ArrayNode>(node)) {
    if (byte == '[') emit(pool_.push(below, {.node = id, .phase = kOpen, .level = 1}), out);
  }
}

void Machine::symbols(StackId stack, std::vector<std::pair<int32_t, StackId>>& out) {
  if (stack == kFinished) return;
  const Frame frame = pool_.top(stack);
  const StackId below = pool_.below(stack);
  const Node& node = program_.nodes[frame.node];
  if (const auto* sequence = std::get_if<SequenceNode>(&node)) {
    const SequenceNode::Part& part = sequence->parts[frame.position];
    if (part.symbol >= 0) out.emplace_back(part.symbol, after_part(frame, below));
    if (part.node != kNoNode) symbols_at(part.node, after_part(frame, below), out);
  } else if (const auto* text = std::get_if<FreeTextNode>(&node)) {
    symbols_at(text->then, below, out);
  } else if (std::holds_alternative<NumberNode>(node) && number_may_end(frame)) {
    symbols(below, out);
  }
}

void Machine::symbols_at(NodeId id, StackId below, std::vector<std::pair<int32_t, StackId>>& out) {
  const Node& node = program_.nodes[id];
  if (const auto* either = std::get_if<EitherNode>(&node)) {
    for (NodeId choice : either->choices) symbols_at(choice, below, out);
  } else if (std::holds_alternative<SequenceNode>(node)) {
    symbols(pool_.push(below, {.node = id}), out);
  }
}

// The stack once the part at hand is done; a sequence that is done is off it.
StackId Machine::after_part(Frame frame, StackId below) {
  frame.count = 0;
  if (++frame.position == std::ssize(node<SequenceNode>(frame).parts)) return below;
  return pool_.push(below, frame);
}

void Machine::step_sequence(const Frame& frame, StackId below, uint8_t byte, Stacks& out) {
  const SequenceNode::Part& part = node<SequenceNode>(frame).parts[frame.position];
  if (!part.text.empty()) {
    if (static_cast<uint8_t>(part.text[frame.count]) != byte) return;
    Frame next = frame;
    const bool whole = ++next.count == std::ssize(part.text);
    emit(whole ? after_part(frame, below) : pool_.push(below, next), out);
  } else if (part.node != kNoNode) {
    begin(part.node, after_part(frame, below), byte, out);
  }
}

// `count` bytes are there; the texts that begin with them go from `position` up to `value`. All
// texts are one stack, however many they are.
void Machine::step_listed(Frame frame, StackId below, uint8_t byte, Stacks& out) {
  const std::vector<std::string>& texts = node<ListedNode>(frame).texts;
  auto [first, last] = narrow(frame.position, frame.value, byte, [&](int32_t i) {
    return static_cast<uint8_t>(texts[i][frame.count]);
  });
  if (first == last) return;
  ++frame.count;
  if (std::ssize(texts[first]) == frame.count) {  // 1 is there, 12 may come
    emit(below, out);
    if (++first == last) return;
  }
  frame.position = first;
  frame.value = last;
  emit(pool_.push(below, frame), out);
}

bool Machine::has_next(const ObjectNode& node, int32_t position, int32_t depth) const {
  for (auto i = static_cast<size_t>(position); i < node.properties.size(); ++i) {
    if (fits(node.properties[i].value, depth)) return true;
  }
  return node.additional != kNoNode && fits(node.additional, depth);
}

void Machine::step_object(const Frame& frame, StackId below, uint8_t byte, Stacks& out) {
  const auto& object = node<ObjectNode>(frame);
  const auto listed = static_cast<int32_t>(object.properties.size());
  const int32_t depth = pool_.depth(below) + 1;
  Frame next = frame;
  if (frame.phase != kKey && frame.phase != kColon && take_blank(next, byte, depth)) {
    return emit(pool_.push(below, next), out);
  }
  next.blanks = 0;
  switch (frame.phase) {
    case kOpen:
    case kComma:
      if (byte == '"') return begin_key(next, below, out);
      break;
    case kKey:
      return step_key(frame, below, byte, out);
    case kColon:
      if (byte != ':') return;
      next.phase = kValue;
      return emit(pool_.push(below, next), out);
    case kValue: {
      const bool is_listed = frame.position < listed;
      next.phase = kAfter;
      next.position += is_listed;
      const NodeId value = is_listed ? object.properties[frame.position].value : object.additional;
      return begin(value, pool_.push(below, next), byte, out);
    }
    default:
      if (byte == ',' && has_next(object, frame.position, depth)) {
        next.phase = kComma;
        return emit(pool_.push(below, next), out);
      }
  }
  const bool may_close = object.next_required[frame.position] == listed;
  if (byte == '}' && frame.phase != kComma && may_close) emit(below, out);
}

// Optional properties may be passed over, a required one not.
bool Machine::any_may_come(const ObjectNode& node, std::span<const int32_t> properties,
                           int32_t position, int32_t depth) const {
  const int32_t last = node.next_required[position];
  return std::ranges::any_of(properties, [&](int32_t i) {
    return i >= position && i <= last && fits(node.properties[i].value, depth);
  });
}

void Machine::begin_key(const Frame& frame, StackId below, Stacks& out) {
  const auto& object = node<ObjectNode>(frame);
  const auto listed = static_cast<int32_t>(object.properties.size());
  const int32_t depth = pool_.depth(below) + 1;
  Frame next = frame;
  if (any_may_come(object, object.by_key, frame.position, depth)) {
    next.phase = kKey;
    next.count = 1;
    next.value = 0;
    next.point = static_cast<uint32_t>(listed);
    emit(pool_.push(below, next), out);
  }
  if (object.next_required[frame.position] < listed) return;
  if (object.additional == kNoNode || !fits(object.additional, depth)) return;
  next = frame;
  next.phase = kColon;
  next.position = listed;
  emit(pool_.push(pool_.push(below, next), {.node = object.additional_key}), out);
}

void Machine::step_key(const Frame& frame, StackId below, uint8_t byte, Stacks& out) {
  const auto& object = node<ObjectNode>(frame);
  const auto key = [&](int32_t i) -> const std::string& {
    return object.properties[object.by_key[i]].key;
  };
  const auto [first, last] = narrow(frame.value, frame.point, byte, [&](int32_t i) {
    return static_cast<uint8_t>(key(i)[frame.count]);
  });
  const auto left = std::span(object.by_key).subspan(first, last - first);
  if (!any_may_come(object, left, frame.position, pool_.depth(below) + 1)) return;
  Frame next = frame;
  next.value = first;
  next.point = static_cast<uint32_t>(last);
  if (++next.count == std::ssize(key(first))) {
    next.phase = kColon;
    next.position = left[0];
    next.value = next.count = 0;
    next.point = 0;
  }
  emit(pool_.push(below, next), out);
}

bool Machine::has_element(const ArrayNode& node, int32_t index, int32_t depth) const {
  if (node.max >= 0 && index >= node.max) return false;
  const bool in_prefix = index < std::ssize(node.prefix);
  const NodeId element = in_prefix ? node.prefix[index] : node.items;
  return element != kNoNode && fits(element, depth);
}

void Machine::step_array(const Frame& frame, StackId below, uint8_t byte, Stacks& out) {
  const auto& array = node<ArrayNode>(frame);
  const int32_t depth = pool_.depth(below) + 1;
  Frame next = frame;
  if (take_blank(next, byte, depth)) return emit(pool_.push(below, next), out);
  next.blanks = 0;
  const bool more = has_element(array, frame.count, depth);
  if (byte == ']' && frame.phase != kComma && frame.count >= array.min) return emit(below, out);
  if (!more) return;
  if (frame.phase == kAfter) {
    if (byte != ',') return;
    next.phase = kComma;
    return emit(pool_.push(below, next), out);
  }
  const auto prefix = std::ssize(array.prefix);
  const NodeId element = frame.count < prefix ? array.prefix[frame.count] : array.items;
  next.phase = kAfter;
  // Beyond what limits it the count does not matter.
  const bool counts = array.max >= 0 || frame.count < std::max<int64_t>(prefix, array.min);
  next.count += counts;
  begin(element, pool_.push(below, next), byte, out);
}

}  // namespace fathom::engine
