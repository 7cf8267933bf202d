#include "kernels/panel.h"

#include <algorithm>

namespace fathom {

bool holds_nan(std::span<const std::byte> codes) {
  unsigned most = 0;
  for (const std::byte code : codes) most = std::max(most, std::to_integer<unsigned>(code) & 0x7Fu);
  return most == 0x7F;
}

}  // namespace fathom
