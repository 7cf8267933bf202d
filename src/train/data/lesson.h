// One exercise with a checkable answer, and the hash that keeps part of them out of training.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/rng.h"

namespace fathom::train {

using Json = nlohmann::ordered_json;

/// How a reply is compared with the answer (docs/formats/capabilities.md).
enum class Check { kExact, kContains, kNumber, kJson, kToolCall };
const char* check_name(Check check);

struct Lesson {
  std::string task;
  std::string key;     // what the split is made by; empty: of both splits
  Json messages;       // a list of {"role", "content"}, the last one the user's or a tool's
  Json tools;          // functions the model may call; null: none
  std::string reply;   // the whole text that the model is to write
  std::string answer;  // what a check looks for
  Check check = Check::kExact;
};

/// A tenth of all keys, chosen by hash: never in training data.
bool held_out(std::string_view key);

Json user_says(std::string_view text);

/// The elements of `list` are drawn with equal chances.
template <typename List>
const auto& pick(Rng& rng, const List& list) {
  return list[rng.below(std::size(list))];
}

/// True with probability `p`.
inline bool chance(Rng& rng, double p) { return rng.uniform() < p; }

/// From low to high, both included.
inline int64_t between(Rng& rng, int64_t low, int64_t high) {
  return low + static_cast<int64_t>(rng.below(static_cast<uint64_t>(high - low + 1)));
}

}  // namespace fathom::train
