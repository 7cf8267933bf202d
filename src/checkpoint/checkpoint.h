// A Hugging Face checkpoint directory as it lies on disk: config.json, *.safetensors, the index.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/config.h"
#include "checkpoint/safetensors_file.h"

namespace fathom {

/// The opened directory. Opening reads headers and the index only; each shard is mapped read-only.
class Checkpoint {
 public:
  /// Throws Error: kNotFound for a directory that is no checkpoint or lacks a shard, kBadInput for
  /// a damaged shard or an index that disagrees with the shards, and what ModelConfig::load throws.
  /// Shapes are the caller's to check (expected_tensors.h).
  static Checkpoint open(const std::string& dir);
  Checkpoint(Checkpoint&&) noexcept;
  Checkpoint& operator=(Checkpoint&&) noexcept;
  ~Checkpoint();

  const std::string& dir() const;
  const ModelConfig& config() const;
  /// File names relative to dir().
  const std::vector<std::string>& shards() const;
  /// In order of name.
  std::span<const TensorView> tensors() const;
  /// Null when there is none of that name.
  const TensorView* find(std::string_view name) const;
  /// Throws Error(kBadInput) naming the tensor when there is none.
  const TensorView& get(std::string_view name) const;
  /// A hint that these bytes of a shard are not needed for a while: their pages leave this process,
  /// and the page cache where nobody else has them. Reading them again is slow, and no error.
  void release(const void* data, size_t bytes) const;

 private:
  struct State;
  explicit Checkpoint(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace fathom
