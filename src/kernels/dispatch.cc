#include <cstdlib>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/processors.h"
#include "kernels/ops.h"

namespace fathom {
namespace {

bool can_run(const Kernels& set) {
  const CpuFeatures& cpu = cpu_features();
  if (&set == &avx512_kernels()) return cpu.avx512 && cpu.avx512_bf16 && cpu.avx512_vnni;
  if (&set == &avx2_kernels()) return cpu.avx2;
  return true;
}

const Kernels& choose() {
  const char* forced = std::getenv("FATHOM_ISA");
  if (forced == nullptr) return *runnable_kernels().back();
  for (const Kernels* set : {&ref_kernels(), &avx2_kernels(), &avx512_kernels()}) {
    if (set->name != std::string_view(forced)) continue;
    if (can_run(*set)) return *set;
    fail(ErrorKind::kUnsupported, "FATHOM_ISA={}: {} lacks what these kernels need", forced,
         cpu_features().name);
  }
  fail(ErrorKind::kUnsupported, "FATHOM_ISA={}: expected ref, avx2 or avx512", forced);
}

}  // namespace

std::span<const Kernels* const> runnable_kernels() {
  static const auto sets = [] {
    std::vector<const Kernels*> found;
    for (const Kernels* set : {&ref_kernels(), &avx2_kernels(), &avx512_kernels()}) {
      if (can_run(*set)) found.push_back(set);
    }
    return found;
  }();
  return sets;
}

const Kernels& kernels() {
  static const Kernels& chosen = choose();
  return chosen;
}

}  // namespace fathom
