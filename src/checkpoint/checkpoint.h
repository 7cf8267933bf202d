// A Hugging Face checkpoint directory as it lies on disk: config.json, *.safetensors, the index.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/config.h"
#include "tensor/dtype.h"

namespace fathom {

/// One tensor of the directory. `data` points into the mapped shard and lives as long as the
/// Checkpoint; nothing is read from disk before somebody touches it.
struct TensorView {
  std::string_view name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  const std::byte* data = nullptr;
  size_t bytes = 0;
  int shard = 0;  // index into Checkpoint::shards()
};

/// The opened directory. Opening reads headers and the index only; each shard is mapped read-only.
class Checkpoint {
 public:
  /// Throws Error for a directory that is no checkpoint, a missing or damaged shard, an index that
  /// disagrees with the shards.
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

 private:
  struct State;
  explicit Checkpoint(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace fathom
