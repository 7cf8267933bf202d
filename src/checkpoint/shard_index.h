// model.safetensors.index.json: which file holds which tensor.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fathom {

inline constexpr const char* kIndexFileName = "model.safetensors.index.json";
inline constexpr const char* kSingleFileName = "model.safetensors";

struct ShardIndex {
  std::vector<std::string> shards;  // file names, sorted, each named by a tensor at least
  struct Entry {
    std::string tensor;
    int shard = 0;  // into `shards`
  };
  std::vector<Entry> entries;  // in order of tensor name

  /// Throws Error(kBadInput), naming `origin`: not JSON, no weight_map, a tensor that stands twice,
  /// a file name that leads out of the directory.
  static ShardIndex parse(std::string_view text, const std::string& origin);

  /// The file's text, with metadata.total_size = `total_bytes`, the sum of the tensors' bytes.
  std::string to_json(uint64_t total_bytes) const;
};

}  // namespace fathom
