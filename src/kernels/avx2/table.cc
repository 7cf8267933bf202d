#include "kernels/avx2/table.h"

#include "kernels/avx2/int8.h"

namespace fathom {

const Kernels& avx2_kernels() {
  static constexpr Kernels kTable = {
      "avx2",       avx2::round_bf16, avx2::quantize_e4m3, avx2::quantize_int8,
      avx2::linear, avx2::pack_panel, avx2::rms_norm,      avx2::swiglu,
      avx2::rope,   avx2::attend,     avx2::merge};
  return kTable;
}

}  // namespace fathom
