#include "cli/memory_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <limits>

#include "base/cgroup.h"
#include "tensor/dtype.h"

namespace fathom::cli {

MemoryNeed memory_need(const Checkpoint& checkpoint, Numerics numerics, int64_t context) {
  const ModelConfig& c = checkpoint.config();
  MemoryNeed need;
  for (const TensorView& tensor : checkpoint.tensors()) need.weights += tensor.bytes;
  const size_t element = dtype_size(cache_dtype(numerics));
  need.cache = static_cast<uint64_t>(context) * static_cast<uint64_t>(c.kv_latent_dim()) *
               static_cast<uint64_t>(c.num_hidden_layers + c.num_nextn_predict_layers) * element;
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
  return std::min(available, cgroup_memory().value_or(available));
}

std::string format_bytes(uint64_t bytes) {
  const auto value = static_cast<double>(bytes);
  if (value >= 1e9) return fmt::format("{:.1f} GB", value / 1e9);
  if (value >= 1e6) return fmt::format("{:.0f} MB", value / 1e6);
  return fmt::format("{} KB", bytes / 1000);
}

}  // namespace fathom::cli
