#include "cli/memory_check.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

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

}  // namespace fathom::cli
