#include "kernels/peaks.h"

#include "base/processors.h"

namespace fathom {

const PeakLoops& peak_loops() {
  const CpuFeatures& cpu = cpu_features();
  return cpu.avx512 && cpu.avx512_bf16 && cpu.avx512_vnni ? avx512_peak_loops() : avx2_peak_loops();
}

}  // namespace fathom
