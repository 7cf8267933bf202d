// A pattern as a deterministic automaton, whose states are found as they are met.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "engine/grammar/pattern.h"

namespace fathom::engine {

/// A state is the set of positions that a text may have led to: however ambiguous the pattern is, a
/// text leads to one. Keeps a reference to the pattern. For one thread at a time.
class PatternStates {
 public:
  using State = int32_t;
  static constexpr State kDead = -1;
  static constexpr State kStart = 0;
  /// Sorted.
  using Positions = std::vector<int32_t>;

  explicit PatternStates(const Pattern& pattern);
  PatternStates(const PatternStates&) = delete;

  bool accepting(State state) const { return rows_[state].accepting; }
  /// The state after the character, kDead if there is none.
  State after(State state, uint32_t point);
  /// The state after any character of [first, last] where all lead to the same one; else kDead,
  /// `share` being kNone or kSome.
  State after_any(State state, uint32_t first, uint32_t last, CharClass::Share& share);
  bool takes(State state, uint32_t point) const;

  const Positions& positions(State state) const { return *rows_[state].positions; }
  State state_of(Positions positions);

  /// What a character costs to follow from there, and what it cost to come there: classes and
  /// positions to look at.
  int64_t step_cost(State state) const { return std::ssize(rows_[state].followers); }
  int64_t making_cost(State state) const { return rows_[state].making_cost; }
  /// Positions in all states, which is what fills memory.
  size_t size() const { return size_; }

 private:
  struct Row {
    const Positions* positions = nullptr;  // in states_
    Positions followers;
    int64_t making_cost = 0;
    bool accepting = false;
  };
  struct Hash {
    size_t operator()(const Positions& positions) const;
  };

  const Pattern& pattern_;
  std::vector<Row> rows_;
  std::unordered_map<Positions, State, Hash> states_;
  std::vector<bool> is_follower_;  // scratch, all false
  size_t size_ = 0;
};

}  // namespace fathom::engine
