// A grammar's states, steps and masks, found out as they are needed and kept.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/grammar/machine.h"
#include "engine/grammar/vocabulary.h"

namespace fathom::engine {

/// A state is the list of stacks that a text may have led to. Its steps by byte are kept in a
/// table, so that walking all tokens costs a look-up for each node of their trie; its mask is kept
/// whole. Masks and steps are functions of the text before, whatever was asked before. Thread-safe.
class Automaton {
 public:
  using State = int32_t;
  static constexpr State kDead = -1;

  Automaton(std::shared_ptr<const Program> program, std::shared_ptr<const Vocabulary> vocabulary);

  State start() const { return start_; }
  /// The state after the token, kDead where it is not allowed.
  State after(State state, int32_t id);
  /// See Constraint::fill_mask.
  void fill_mask(State state, std::span<uint64_t> words);

  /// So much is kept that a fresh automaton should take over what is under way.
  bool full() const;
  /// The state of `other`, an automaton of the same grammar, in this one.
  State adopt(Automaton& other, State state);

 private:
  using Mask = std::vector<uint64_t>;
  struct Row {
    Stacks stacks;
    std::array<State, 256> next;
    std::unique_ptr<Mask> mask;
    int64_t step_cost = 0;
    int64_t making_cost = 0;
    uint64_t walk = 0;         // the last one that came here
    std::bitset<256> stepped;  // in that walk
  };

  State intern(Stacks stacks);
  State step(State state, uint8_t byte);
  State step_symbol(State state, int32_t id);
  const Mask& mask_of(State state);
  void walk(State state, Mask& mask);
  int64_t enter(State state);
  int64_t charge(State state, uint8_t byte);
  void allow_doubles(Mask& mask) const;
  StackId adopt_stack(Automaton& other, StackId stack);

  const std::shared_ptr<const Program> program_;
  const std::shared_ptr<const Vocabulary> vocabulary_;
  mutable std::mutex mutex_;  // of all that follows
  StackPool pool_;
  Machine machine_;
  std::deque<Row> rows_;
  struct StacksHash {
    size_t operator()(const Stacks& stacks) const;
  };
  std::unordered_map<Stacks, State, StacksHash> states_;
  State start_ = kDead;
  size_t mask_bytes_ = 0;
  std::vector<State> path_;  // of a walk, by depth
  uint64_t walks_ = 0;
};

}  // namespace fathom::engine
