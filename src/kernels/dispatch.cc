#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "kernels/ops.h"

namespace fathom {
namespace {

const Kernels& choose() {
  const char* forced = std::getenv("FATHOM_ISA");
  if (forced == nullptr || std::string_view(forced) == "ref") return ref_kernels();
  fail(ErrorKind::kUnsupported, "FATHOM_ISA={}: expected ref", forced);
}

}  // namespace

const Kernels& kernels() {
  static const Kernels& chosen = choose();
  return chosen;
}

}  // namespace fathom
