#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "base/processors.h"
#include "kernels/ops.h"

namespace fathom {
namespace {

const Kernels& choose() {
  const CpuFeatures& cpu = cpu_features();
  const bool avx512 = cpu.avx512 && cpu.avx512_bf16 && cpu.avx512_vnni;
  const char* forced = std::getenv("FATHOM_ISA");
  if (forced == nullptr) return avx512 ? avx512_kernels() : ref_kernels();
  const std::string_view name(forced);
  if (name == "ref") return ref_kernels();
  if (name == "avx512") {
    if (avx512) return avx512_kernels();
    fail(ErrorKind::kUnsupported, "FATHOM_ISA=avx512: {} lacks AVX-512 with VBMI, BF16 or VNNI",
         cpu.name);
  }
  fail(ErrorKind::kUnsupported, "FATHOM_ISA={}: expected ref or avx512", forced);
}

}  // namespace

const Kernels& kernels() {
  static const Kernels& chosen = choose();
  return chosen;
}

}  // namespace fathom
