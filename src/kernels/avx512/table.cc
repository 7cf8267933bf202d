#include "kernels/avx512/table.h"

#include "kernels/avx512/int8.h"

namespace fathom {

const Kernels& avx512_kernels() {
  static constexpr Kernels kTable = {
      "avx512",       avx512::round_bf16, avx512::quantize_e4m3, avx512::quantize_int8,
      avx512::linear, avx512::pack_panel, avx512::rms_norm,      avx512::swiglu,
      avx512::rope,   avx512::attend,     avx512::merge};
  return kTable;
}

}  // namespace fathom
