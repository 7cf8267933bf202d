#include "engine/grammar/pattern_states.h"

#include <algorithm>

#include "base/rng.h"

namespace fathom::engine {

PatternStates::PatternStates(const Pattern& pattern)
    : pattern_(pattern), is_follower_(pattern.classes.size()) {
  state_of({0});
}

size_t PatternStates::Hash::operator()(const Positions& positions) const {
  uint64_t hash = positions.size();
  for (int32_t p : positions) hash = splitmix64(hash ^ static_cast<uint64_t>(p));
  return hash;
}

PatternStates::State PatternStates::state_of(Positions positions) {
  if (positions.empty()) return kDead;
  const auto [place, is_new] =
      states_.try_emplace(std::move(positions), static_cast<State>(rows_.size()));
  if (!is_new) return place->second;
  Row& row = rows_.emplace_back();
  row.positions = &place->first;
  for (int32_t p : *row.positions) {
    row.accepting = row.accepting || pattern_.accepting[p];
    row.making_cost += 1 + std::ssize(pattern_.followers[p]);
    for (int32_t q : pattern_.followers[p]) {
      if (!is_follower_[q]) row.followers.push_back(q);
      is_follower_[q] = true;
    }
  }
  for (int32_t q : row.followers) is_follower_[q] = false;
  std::ranges::sort(row.followers);
  size_ += row.positions->size() + row.followers.size();
  return place->second;
}

PatternStates::State PatternStates::after(State state, uint32_t point) {
  CharClass::Share share;
  return after_any(state, point, point, share);
}

PatternStates::State PatternStates::after_any(State state, uint32_t first, uint32_t last,
                                              CharClass::Share& share) {
  using Share = CharClass::Share;
  Positions reached;
  share = Share::kNone;
  for (int32_t q : rows_[state].followers) {
    const Share of_class = pattern_.classes[q].share_of(first, last);
    if (of_class == Share::kNone) continue;
    share = of_class;
    if (share == Share::kSome) return kDead;
    reached.push_back(q);
  }
  return state_of(std::move(reached));
}

bool PatternStates::takes(State state, uint32_t point) const {
  return std::ranges::any_of(rows_[state].followers,
                             [&](int32_t q) { return pattern_.classes[q].contains(point); });
}

}  // namespace fathom::engine
