#include "cli/memory_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <limits>

#include "tensor/dtype.h"
#include "weights/weight_mover.h"

namespace fathom::cli {
namespace {

// The number in the file's first line, or nothing-like-a-limit where there is none ("max").
uint64_t read_limit(const char* path) {
  std::ifstream file(path);
  uint64_t value = 0;
  return file >> value ? value : std::numeric_limits<uint64_t>::max();
}

}  // namespace

MemoryNeed memory_need(const Checkpoint& checkpoint, Numerics numerics, int64_t context) {
  const ModelConfig& c = checkpoint.config();
  MemoryNeed need;
  for (const TensorView& tensor : checkpoint.tensors()) need.weights += tensor.bytes;
  const size_t element = dtype_size(cache_dtype(numerics));
  need.cache = static_cast<uint64_t>(context) * static_cast<uint64_t>(c.kv_latent_dim()) *
               static_cast<uint64_t>(c.num_hidden_layers + c.num_nextn_predict_layers) * element;
  if (numerics != Numerics::kInt8 &&
      c.vocab_size * c.hidden_size >= WeightMover::kOutlinedWeights) {
    WeightView head;
    head.rows = c.vocab_size;
    head.cols = c.hidden_size;
    need.outlines = outline_bytes(head) * static_cast<uint64_t>(1 + c.num_nextn_predict_layers);
  }
  return need;
}

uint64_t memory_available() {
  std::ifstream info("/proc/meminfo");
  uint64_t available = std::numeric_limits<uint64_t>::max();
  for (std::string key, unit; info >> key;) {
    uint64_t kilobytes = 0;
    info >> kilobytes;
    std::getline(info, unit);
    if (key == "MemAvailable:") available = kilobytes * 1024;
  }
  return std::min(available, read_limit("/sys/fs/cgroup/memory.max"));
}

std::string format_bytes(uint64_t bytes) {
  const auto value = static_cast<double>(bytes);
  if (value >= 1e9) return fmt::format("{:.1f} GB", value / 1e9);
  if (value >= 1e6) return fmt::format("{:.0f} MB", value / 1e6);
  return fmt::format("{} KB", bytes / 1000);
}

}  // namespace fathom::cli
