#include "engine/grammar/program.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/error.h"

namespace fathom::engine {
namespace {

constexpr int32_t kEndless = 1 << 20;  // height of what has no finite value
constexpr size_t kMaxChoices = 512;

template <typename... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};
template <typename... Visitors>
Overloaded(Visitors...) -> Overloaded<Visitors...>;

void index_properties(ObjectNode& object) {
  const auto count = static_cast<int32_t>(object.properties.size());
  object.by_key.resize(object.properties.size());
  std::iota(object.by_key.begin(), object.by_key.end(), 0);
  std::ranges::sort(object.by_key, {}, [&](int32_t i) -> const std::string& {
    return object.properties[static_cast<size_t>(i)].key;
  });
  object.next_required.assign(object.properties.size() + 1, count);
  for (int32_t i = count; i-- > 0;) {
    object.next_required[i] = object.properties[i].required ? i : object.next_required[i + 1];
  }
}

}  // namespace

void Excluded::add(const std::string& text) {
  int32_t state = 0;
  for (char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    const auto found = states_[state].next.find(byte);
    if (found != states_[state].next.end()) {
      state = found->second;
      continue;
    }
    const auto fresh = static_cast<int32_t>(states_.size());
    states_[state].next[byte] = fresh;
    states_.emplace_back();
    state = fresh;
  }
  states_[state].listed = true;
}

int32_t Excluded::next(int32_t state, uint8_t byte) const {
  if (state < 0) return -1;
  const auto found = states_[state].next.find(byte);
  return found == states_[state].next.end() ? -1 : found->second;
}

NodeId Program::add_text(std::string text) {
  SequenceNode node;
  node.parts.push_back({.text = std::move(text)});
  return add(std::move(node));
}

NodeId Program::any_value() {
  if (any_value_ != kNoNode) return any_value_;
  any_value_ = add(EitherNode{});
  const NodeId object = any_object();
  const NodeId array = add(ArrayNode{.prefix = {}, .items = any_value_});
  const NodeId string = add(StringNode{});
  const NodeId number = add(NumberNode{NumberRange(false, {}, {}, "")});
  std::get<EitherNode>(nodes[any_value_]).choices = {
      object, array, string, number, add_text("true"), add_text("false"), add_text("null")};
  return any_value_;
}

NodeId Program::any_object() {
  if (any_object_ != kNoNode) return any_object_;
  any_object_ = add(ObjectNode{});
  const NodeId key = add(StringNode{});
  const NodeId value = any_value();
  auto& object = std::get<ObjectNode>(nodes[any_object_]);
  object.additional_key = key;
  object.additional = value;
  return any_object_;
}

void Program::finish(const std::string& where) {
  find_heights();
  if (heights[root] > kMaxDepth) {
    fail(ErrorKind::kUnsupported, "{}: no value of at most {} levels satisfies it", where,
         kMaxDepth);
  }
  flatten(where);
  find_first_bytes();
  for (Node& node : nodes) {
    if (auto* object = std::get_if<ObjectNode>(&node)) index_properties(*object);
    if (auto* listed = std::get_if<ListedNode>(&node)) {
      std::ranges::sort(listed->texts);
      const auto doubles = std::ranges::unique(listed->texts);
      listed->texts.erase(doubles.begin(), doubles.end());
    }
  }
}

// The least fixed point, from above.
void Program::find_heights() {
  heights.assign(nodes.size(), kEndless);
  const auto of = [&](NodeId id) { return id == kNoNode ? kEndless : heights[id]; };
  const auto height = Overloaded{[&](const SequenceNode& node) {
                                   int32_t most = 0;
                                   for (const auto& part : node.parts) {
                                     if (part.node != kNoNode) most = std::max(most, of(part.node));
                                   }
                                   return most;
                                 },
                                 [&](const EitherNode& node) {
                                   int32_t least = kEndless;
                                   for (NodeId choice : node.choices)
                                     least = std::min(least, of(choice));
                                   return least;
                                 },
                                 [&](const ObjectNode& node) {
                                   int32_t most = 0;
                                   for (const auto& property : node.properties) {
                                     if (property.required)
                                       most = std::max(most, of(property.value));
                                   }
                                   return std::min(kEndless, most + 1);
                                 },
                                 [&](const ArrayNode& node) {
                                   int32_t most = 0;
                                   const int64_t prefix = std::ssize(node.prefix);
                                   for (int64_t i = 0; i < std::min(node.min, prefix); ++i) {
                                     most = std::max(most, of(node.prefix[i]));
                                   }
                                   if (node.min > prefix) most = std::max(most, of(node.items));
                                   return std::min(kEndless, most + 1);
                                 },
                                 [](const auto&) { return 0; }};
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t id = 0; id < nodes.size(); ++id) {
      const int32_t now = std::visit(height, nodes[id]);
      changed |= now != heights[id];
      heights[id] = now;
    }
  }
}

void Program::find_first_bytes() {
  using Bytes = std::bitset<256>;
  const auto of_text = [](const std::string& text) {
    return Bytes().set(static_cast<uint8_t>(text[0]));
  };
  const auto first =
      Overloaded{[&](const SequenceNode& node) {
                   if (node.parts.empty() || node.parts[0].node != kNoNode) return Bytes().set();
                   return node.parts[0].text.empty() ? Bytes() : of_text(node.parts[0].text);
                 },
                 [&](const ListedNode& node) {
                   Bytes bytes;
                   for (const std::string& text : node.texts) bytes |= of_text(text);
                   return bytes;
                 },
                 [&](const ObjectNode&) { return of_text("{"); },
                 [&](const ArrayNode&) { return of_text("["); },
                 [&](const StringNode&) { return of_text("\""); },
                 [&](const NumberNode&) {
                   Bytes bytes = of_text("-");
                   for (char digit = '0'; digit <= '9'; ++digit)
                     bytes.set(static_cast<uint8_t>(digit));
                   return bytes;
                 },
                 [](const auto&) { return Bytes(); }};
  first_bytes.clear();
  for (const Node& node : nodes) first_bytes.push_back(std::visit(first, node));
  for (size_t id = 0; id < nodes.size(); ++id) {
    const auto* either = std::get_if<EitherNode>(&nodes[id]);
    if (either == nullptr) continue;
    for (NodeId choice : either->choices) first_bytes[id] |= first_bytes[choice];
  }
}

// An Either that can be itself without a byte in between would never begin. The alternatives of
// alternatives become its own, so that a chain of them costs no more than its end.
void Program::flatten(const std::string& where) {
  enum class Mark { kNew, kOpen, kDone };
  std::vector<Mark> marks(nodes.size(), Mark::kNew);
  std::vector<NodeId> taken_by(nodes.size(), kNoNode);
  const auto visit = [&](const auto& self, NodeId id) -> void {
    if (marks[id] == Mark::kDone) return;
    if (marks[id] == Mark::kOpen) {
      fail(ErrorKind::kUnsupported, "{}: $ref: a schema is itself an alternative of itself", where);
    }
    marks[id] = Mark::kOpen;
    if (auto* either = std::get_if<EitherNode>(&nodes[id])) {
      std::vector<NodeId> all;
      const auto take = [&](NodeId choice) {
        if (std::exchange(taken_by[choice], id) != id) all.push_back(choice);
      };
      for (NodeId choice : either->choices) {
        self(self, choice);
        if (const auto* inner = std::get_if<EitherNode>(&nodes[choice])) {
          std::ranges::for_each(inner->choices, take);
        } else {
          take(choice);
        }
      }
      if (all.size() > kMaxChoices) {
        fail(ErrorKind::kUnsupported, "{}: more than {} alternatives at one place", where,
             kMaxChoices);
      }
      either->choices = std::move(all);
    } else if (const auto* sequence = std::get_if<SequenceNode>(&nodes[id])) {
      if (!sequence->parts.empty() && sequence->parts[0].node != kNoNode) {
        self(self, sequence->parts[0].node);
      }
    }
    marks[id] = Mark::kDone;
  };
  for (NodeId id = 0; id < std::ssize(nodes); ++id) visit(visit, id);
}

}  // namespace fathom::engine
