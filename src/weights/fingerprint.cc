#include "weights/fingerprint.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "base/rng.h"
#include "io/file_system.h"

namespace fathom {
namespace {

// Two independent chains of splitmix64: enough to tell checkpoints apart, no defence against an
// enemy.
class Hasher {
 public:
  void add(uint64_t word) {
    a_ = splitmix64(a_ ^ word);
    b_ = splitmix64(b_ + word * 0x9E3779B97F4A7C15ull);
  }
  void add(std::string_view bytes) {
    add(bytes.size());
    for (size_t i = 0; i < bytes.size(); i += sizeof(uint64_t)) {
      uint64_t word = 0;
      std::memcpy(&word, bytes.data() + i, std::min(sizeof word, bytes.size() - i));
      add(word);
    }
  }
  std::string hex() const { return fmt::format("{:016x}{:016x}", a_, b_); }

 private:
  uint64_t a_ = 1, b_ = 2;
};

// NOTES: of the 671B checkpoint some 2,000 pages, read before the first request: a second from a
// disk that is cold.
constexpr size_t kSampleBytes = 4096;
constexpr size_t kExpertSamples = 256;

std::string_view middle_of(const TensorView& tensor) {
  const size_t bytes = std::min(tensor.bytes, kSampleBytes);
  return {reinterpret_cast<const char*>(tensor.data) + (tensor.bytes - bytes) / 2, bytes};
}

}  // namespace

std::string weights_fingerprint(const Checkpoint& checkpoint) {
  Hasher hasher;
  hasher.add(checkpoint.config().to_json());
  const auto tensors = checkpoint.tensors();
  const size_t stride = std::max<size_t>(1, tensors.size() / kExpertSamples);
  for (size_t i = 0; i < tensors.size(); ++i) {
    const TensorView& t = tensors[i];
    hasher.add(t.name);
    hasher.add(dtype_name(t.dtype));
    for (int64_t extent : t.shape) hasher.add(static_cast<uint64_t>(extent));
    const bool expert = t.name.find(".experts.") != std::string_view::npos;
    if (!expert || i % stride == 0) hasher.add(middle_of(t));
  }
  return hasher.hex();
}

std::string weights_files(const Checkpoint& checkpoint) {
  Hasher hasher;
  for (const std::string& shard : checkpoint.shards()) {
    const std::string path = io::join(checkpoint.dir(), shard);
    hasher.add(shard);
    hasher.add(io::file_size(path));
    hasher.add(static_cast<uint64_t>(io::file_time(path)));
  }
  return hasher.hex();
}

}  // namespace fathom
