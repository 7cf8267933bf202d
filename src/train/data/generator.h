// Lessons in endless supply, the same for the same seed: what the embedded model learns from, and
// the held-out items that it is judged by.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "train/data/lesson.h"

namespace fathom::train {

struct Task {
  const char* name;
  double share;  // of a training set's characters
};

/// Every task of the training mix.
std::span<const Task> training_tasks();

/// Draws lessons until one is of the wanted split.
class Generator {
 public:
  explicit Generator(uint64_t seed) : rng_(seed) {}

  /// Of the task that is furthest behind its share of the training mix; some follow small talk.
  Lesson next(bool held_out);
  /// `task` is "drill", "numbers" or a name of training_tasks() or capability_tasks(). Throws
  /// Error(kUsage) for another.
  Lesson next(const std::string& task, bool held_out);

 private:
  Rng rng_;
  std::vector<double> written_ = {};  // characters of each training task
};

/// The tasks of the capability suite; retrieval in steps of context length.
std::span<const char* const> capability_tasks();

}  // namespace fathom::train
