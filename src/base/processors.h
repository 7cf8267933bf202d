// Which processors this process may use, and what they can do.
#pragma once

#include <string>
#include <vector>

namespace fathom {

/// The processors in this thread's affinity mask, ascending; at least one.
std::vector<int> allowed_processors();

/// How many threads can run at once: the affinity mask, cut by the cgroup's quota; at least 1.
int available_processors();

/// What the kernels ask about. True only where the operating system saves the registers as well.
struct CpuFeatures {
  bool avx2 = false;    ///< with FMA and F16C, the floor of this build
  bool avx512 = false;  ///< F, BW, DQ, VL and VBMI
  bool avx512_bf16 = false;
  bool avx512_vnni = false;
  std::string name;  ///< the processor's brand string
};

/// Of this processor; looked up once.
const CpuFeatures& cpu_features();

}  // namespace fathom
