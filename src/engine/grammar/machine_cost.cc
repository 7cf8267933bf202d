// What steps cost. The unit is a stack made; looking at a class, a name or a node is far less.
#include "engine/grammar/machine.h"
#include "engine/grammar/machine_phases.h"

namespace fathom::engine {
namespace {

// In one unit:
constexpr int64_t kClasses = 5;     // looked at
constexpr int64_t kNames = 8;       // of properties
constexpr int64_t kChoices = 4;     // of an Either
constexpr int64_t kPositions = 32;  // of a pattern, gathered
// In units:
constexpr int64_t kDigit = 4;         // held against a number's bounds
constexpr int64_t kPatternState = 8;  // beside its positions

}  // namespace

int64_t Machine::beginning_cost(NodeId id) const {
  if (id == kNoNode) return 1;
  const auto* either = std::get_if<EitherNode>(&program_.nodes[id]);
  return either == nullptr ? 1 : 1 + std::ssize(either->choices) / kChoices;
}

int64_t Machine::step_cost(StackId stack) {
  if (stack == kFinished) return 0;
  const Frame frame = pool_.top(stack);
  const Node& node = program_.nodes[frame.node];
  if (const auto* string = std::get_if<StringNode>(&node)) {
    if (string->pattern == nullptr) return 1;
    return 1 + states_of(frame).step_cost(frame.position) / kClasses;
  }
  if (const auto* object = std::get_if<ObjectNode>(&node)) {
    const int64_t listed = std::ssize(object->properties);
    if (frame.phase == kKey) return 1 + (frame.point - frame.value) / kNames;
    if (frame.phase != kValue) return 1 + listed / kNames;
    const bool is_listed = frame.position < listed;
    return beginning_cost(is_listed ? object->properties[frame.position].value
                                    : object->additional);
  }
  if (const auto* array = std::get_if<ArrayNode>(&node)) {
    const bool in_prefix = frame.count < std::ssize(array->prefix);
    return beginning_cost(in_prefix ? array->prefix[frame.count] : array->items);
  }
  if (const auto* sequence = std::get_if<SequenceNode>(&node)) {
    return beginning_cost(sequence->parts[frame.position].node);
  }
  if (!std::holds_alternative<NumberNode>(node)) return 1;
  return kDigit + (number_may_end(frame) ? step_cost(pool_.below(stack)) : 0);
}

int64_t Machine::making_cost(StackId stack) {
  if (stack == kFinished) return 0;
  const Frame frame = pool_.top(stack);
  const auto* string = std::get_if<StringNode>(&program_.nodes[frame.node]);
  if (string == nullptr || string->pattern == nullptr) return 1;
  return kPatternState + states_of(frame).making_cost(frame.position) / kPositions;
}

}  // namespace fathom::engine
