#include "engine/grammar/automaton.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/rng.h"

namespace fathom::engine {
namespace {

constexpr int32_t kUnknownStep = -2;
// Of a grammar; a conversation's worth of states is a few hundred.
constexpr size_t kMaxRows = 16'000;
constexpr size_t kMaxStackNodes = 200'000;
constexpr size_t kMaxMaskBytes = size_t{32} << 20;
constexpr size_t kMaxPatternSize = 2'000'000;

// Bounds a walk of a grammar made to be slow, in the machine's costs; some 20 ms. Beyond it only
// single bytes are looked at, and no further ones beyond as much again once there is one that is
// allowed: a mask that is too narrow, but leads nowhere wrong. A step is charged once in each walk,
// known from before or not, as masks are functions of the text alone.
constexpr int64_t kWalkBudget = 200'000;
constexpr int64_t kRowCost = 4;

void allow(std::vector<uint64_t>& mask, int32_t id) { mask[id / 64] |= uint64_t{1} << (id % 64); }
bool allows(const std::vector<uint64_t>& mask, int32_t id) {
  return (mask[id / 64] >> (id % 64) & 1) != 0;
}

}  // namespace

Automaton::Automaton(std::shared_ptr<const Program> program,
                     std::shared_ptr<const Vocabulary> vocabulary)
    : program_(std::move(program)),
      vocabulary_(std::move(vocabulary)),
      machine_(*program_, pool_),
      path_(static_cast<size_t>(vocabulary_->longest()) + 1) {
  start_ = intern({machine_.start()});
}

size_t Automaton::StacksHash::operator()(const Stacks& stacks) const {
  uint64_t hash = stacks.size();
  for (StackId stack : stacks) hash = splitmix64(hash ^ static_cast<uint64_t>(stack));
  return hash;
}

Automaton::State Automaton::intern(Stacks stacks) {
  if (stacks.empty()) return kDead;
  const auto [place, is_new] =
      states_.try_emplace(std::move(stacks), static_cast<State>(rows_.size()));
  if (is_new) {
    Row& row = rows_.emplace_back();
    row.stacks = place->first;
    row.next.fill(kUnknownStep);
    row.making_cost = kRowCost;
    for (StackId stack : row.stacks) {
      row.step_cost += machine_.step_cost(stack);
      row.making_cost += machine_.making_cost(stack);
    }
  }
  return place->second;
}

Automaton::State Automaton::step(State state, uint8_t byte) {
  State& next = rows_[state].next[byte];
  if (next == kUnknownStep) next = intern(machine_.step(rows_[state].stacks, byte));
  return next;
}

Automaton::State Automaton::step_symbol(State state, int32_t id) {
  std::vector<std::pair<int32_t, StackId>> symbols;
  for (StackId stack : rows_[state].stacks) machine_.symbols(stack, symbols);
  Stacks stacks;
  for (const auto& [symbol, next] : symbols) {
    if (symbol == id && std::ranges::find(stacks, next) == stacks.end()) stacks.push_back(next);
  }
  return intern(std::move(stacks));
}

Automaton::State Automaton::after(State state, int32_t id) {
  std::lock_guard lock(mutex_);
  if (vocabulary_->ends(id)) {
    const bool may_end = std::ranges::any_of(
        rows_[state].stacks, [&](StackId stack) { return machine_.may_finish(stack); });
    return may_end ? intern({kFinished}) : kDead;
  }
  const std::string& text = vocabulary_->bytes(id);
  if (text.empty()) return step_symbol(state, id);
  for (size_t i = 0; i < text.size() && state != kDead; ++i) {
    state = step(state, static_cast<uint8_t>(text[i]));
  }
  return state;
}

void Automaton::fill_mask(State state, std::span<uint64_t> words) {
  std::lock_guard lock(mutex_);
  const Mask& mask = mask_of(state);
  FATHOM_CHECK(words.size() == mask.size());
  std::ranges::copy(mask, words.begin());
}

const Automaton::Mask& Automaton::mask_of(State state) {
  if (rows_[state].mask != nullptr) return *rows_[state].mask;
  Stacks alike;
  for (StackId stack : rows_[state].stacks) {
    const StackId other = machine_.representative(stack, vocabulary_->longest());
    if (std::ranges::find(alike, other) == alike.end()) alike.push_back(other);
  }
  state = intern(std::move(alike));
  if (rows_[state].mask != nullptr) return *rows_[state].mask;

  auto mask = std::make_unique<Mask>((vocabulary_->size() + 63) / 64);
  walk(state, *mask);
  allow_doubles(*mask);
  std::vector<std::pair<int32_t, StackId>> symbols;
  bool may_end = false;
  for (StackId stack : rows_[state].stacks) {
    machine_.symbols(stack, symbols);
    may_end |= machine_.may_finish(stack);
  }
  for (const auto& [id, stack] : symbols) allow(*mask, id);
  if (may_end) {
    for (int32_t id : vocabulary_->end_ids()) allow(*mask, id);
  }
  mask_bytes_ += mask->size() * sizeof(uint64_t);
  rows_[state].mask = std::move(mask);
  return *rows_[state].mask;
}

void Automaton::walk(State state, Mask& mask) {
  const std::span<const Vocabulary::Node> nodes = vocabulary_->nodes();
  ++walks_;
  int64_t spent = enter(state);
  bool is_any_allowed = false;
  path_[0] = state;
  for (size_t i = 0; i < nodes.size();) {
    const Vocabulary::Node& node = nodes[i];
    if (spent > kWalkBudget) {
      if (node.depth == 0 && is_any_allowed && spent > 2 * kWalkBudget) return;
      if (node.depth > 0) {
        i = node.end;
        continue;
      }
    }
    const State from = path_[node.depth];
    spent += charge(from, node.byte);
    const State to = step(from, node.byte);
    if (to == kDead) {
      i = node.end;
      continue;
    }
    spent += enter(to);
    path_[node.depth + 1] = to;
    if (node.id >= 0) {
      allow(mask, node.id);
      is_any_allowed = true;
    }
    ++i;
  }
}

int64_t Automaton::enter(State state) {
  Row& row = rows_[state];
  if (std::exchange(row.walk, walks_) == walks_) return 0;
  row.stepped.reset();
  return row.making_cost;
}

int64_t Automaton::charge(State state, uint8_t byte) {
  Row& row = rows_[state];
  if (row.stepped[byte]) return 0;
  row.stepped.set(byte);
  return row.step_cost;
}

void Automaton::allow_doubles(Mask& mask) const {
  for (const auto& [first, other] : vocabulary_->doubles()) {
    if (allows(mask, first)) allow(mask, other);
  }
}

bool Automaton::full() const {
  std::lock_guard lock(mutex_);
  return rows_.size() > kMaxRows || pool_.size() > kMaxStackNodes || mask_bytes_ > kMaxMaskBytes ||
         machine_.pattern_size() > kMaxPatternSize;
}

Automaton::State Automaton::adopt(Automaton& other, State state) {
  std::scoped_lock lock(mutex_, other.mutex_);
  Stacks stacks;
  for (StackId stack : other.rows_[state].stacks) stacks.push_back(adopt_stack(other, stack));
  return intern(std::move(stacks));
}

StackId Automaton::adopt_stack(Automaton& other, StackId stack) {
  std::vector<Frame> frames;
  for (; stack != kFinished; stack = other.pool_.below(stack)) {
    frames.push_back(machine_.adopt(other.machine_, other.pool_.top(stack)));
  }
  StackId mine = kFinished;
  for (size_t i = frames.size(); i-- > 0;) mine = pool_.push(mine, frames[i]);
  return mine;
}

}  // namespace fathom::engine
