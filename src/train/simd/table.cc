#include "train/simd/table.h"

#include <cstdlib>
#include <string_view>

#include "base/error.h"

namespace fathom::train {
namespace {

const Table& choose() {
  const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                    __builtin_cpu_supports("avx512bf16");
  const char* forced = std::getenv("FATHOM_ISA");
  const std::string_view isa = forced ? forced : "";
  if (isa == "avx512" && !wide) {
    fail(ErrorKind::kUnsupported, "FATHOM_ISA=avx512: this processor has no AVX-512 with BF16");
  }
  return wide && isa != "avx2" && isa != "ref" ? kAvx512Table : kAvx2Table;
}

}  // namespace

const Table& table() {
  static const Table& chosen = choose();
  return chosen;
}

}  // namespace fathom::train
